import { describe, expect, it } from 'vitest';
import { makePlan } from '../../../src/ampq/planFile';
import { smallestBudget } from '../../../src/ampq/smallestBudget';
import type { PlanConstraint, SensitivityCell, SensitivityTable } from '../../../src/protocol/plan';
import { rowWith } from '../../support/plans';
import { Random } from '../../support/random';

const bits: Readonly<Record<string, number>> = { Q2_K: 2, Q4_K: 4, Q6_K: 6 };
const formats = Object.keys(bits);
const frame = { bytes: 1000, alignment: 32 };

function tableOf(random: Random, hasGains = true): SensitivityTable {
  const rows = ['a', 'b', 'c', 'd', 'e'].map((tensor) => {
    const weights = 8 * (1 + Math.floor(40 * random.next()));
    const cells = formats.map((format): SensitivityCell => ({
      ...{ format, bytes: (weights * bits[format]!) / 8, bitsPerWeight: bits[format]! },
      ...{ relativeSquaredError: random.next(), sqnr: 0, maxError: 0, device: 'cpu' },
    }));
    return { ...rowWith(tensor, weights, cells), ...(hasGains ? { gain: random.next() } : {}) };
  });
  const sizes = { parameters: 0, fixedBytes: 0, fixedParameters: 0 };
  return { modelHash: 'h', modelName: 'm', ...sizes, rows, presets: [] };
}

/** Sizes of files and divergences of all assignments. */
function everyAssignment({
  rows,
}: SensitivityTable): { bytes: number; divergence: number; chosen: string[] }[] {
  return Array.from({ length: formats.length ** rows.length }, (_, code) => {
    const cells = rows.map((row, i) => row.cells[Math.floor(code / formats.length ** i) % formats.length]!);
    return {
      bytes: cells.reduce((sum, { bytes }) => sum + 32 * Math.ceil(bytes / 32), frame.bytes),
      divergence: cells.reduce((sum, item, i) => sum + item.relativeSquaredError * rows[i]!.gain!, 0),
      chosen: cells.map(({ format }) => format),
    };
  });
}

const leastOf = (all: readonly { bytes: number; divergence: number }[], divergence: number): number =>
  Math.min(...all.filter((item) => item.divergence <= divergence).map(({ bytes }) => bytes));

describe('the smallest file of a divergence', () => {
  it('is that of all assignments, and the plan of its size keeps to the divergence', () => {
    const random = new Random(7);
    for (let i = 0; i < 200; i++) {
      const table = tableOf(random);
      const all = everyAssignment(table);
      const wanted = all[Math.floor(random.next() * all.length)]!.divergence * (1 + 1e-9);
      const budget = smallestBudget(table, wanted, frame);
      expect(budget).toEqual({ kind: 'bytes', value: leastOf(all, wanted) });
      const { total } = makePlan(table, budget, frame);
      expect(total.divergence).toBeLessThanOrEqual(wanted);
      expect(total.fileBytes).toBe(budget.value);
    }
  });

  it('keeps to constraints', () => {
    const random = new Random(8);
    const constraints: PlanConstraint[] = [{ tensors: '^[ab]$', minBits: 4 }];
    for (let i = 0; i < 50; i++) {
      const table = tableOf(random);
      const allowed = everyAssignment(table).filter(({ chosen: [a, b] }) => a !== 'Q2_K' && b !== 'Q2_K');
      const wanted = allowed[Math.floor(random.next() * allowed.length)]!.divergence * (1 + 1e-9);
      expect(smallestBudget(table, wanted, frame, constraints).value).toBe(leastOf(allowed, wanted));
    }
  });

  it('that no plan reaches is an error that names the smallest one, and the constraint in the way', () => {
    const table = tableOf(new Random(9));
    const all = everyAssignment(table);
    const figure = (value: number): string => String(Number(value.toPrecision(3)));
    const least = Math.min(...all.map(({ divergence }) => divergence));
    expect(() => smallestBudget(table, least / 2, frame)).toThrow(
      `at most ${figure(least / 2)} nats per token: with the measured formats the smallest KL divergence is ${figure(least)}.`,
    );
    const best = all.find(({ divergence }) => divergence === least)!.chosen[0]!;
    const constraints: PlanConstraint[] = [{ tensors: '^a$', exclude: [best] }];
    expect(() => smallestBudget(table, least, frame, constraints)).toThrow(
      `Without --exclude ^a$=${best} it is ${figure(least)}.`,
    );
  });

  it('needs gains', () => {
    const table = { ...tableOf(new Random(9), false), weightsOnly: 'this was requested.' };
    expect(() => smallestBudget(table, 1, frame)).toThrow(
      'A divergence can only be predicted where the model was run over a text: this was requested.',
    );
  });
});
