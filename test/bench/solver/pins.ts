import { withPin, exactPattern } from '../../../src/ampq/constraintEdits';
import { planFront } from '../../../src/ampq/planFront';
import { solveBudget } from '../../../src/ampq/solve';
import type { PlanConstraint, SensitivityRow, SensitivityTable } from '../../../src/protocol/plan';
import { Random } from '../../support/random';

/** Milliseconds of processor time of each pin: solved exactly, and with the front of plans. */
export interface PinTimes {
  readonly pins: readonly number[];
  readonly fronts: readonly number[];
}

const bitsPerWeight = 4.5;
const presets = 20;

/** Tensors of the shapes of a model with blocks of seven matrices, with errors that fall by about a quarter with each bit. */
export function tableOf(tensors: number, formats: number): SensitivityTable {
  const random = new Random(tensors);
  const roles = ['attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down'];
  const names = Array.from({ length: formats }, (_, j) => `T${j}`);
  const rows = Array.from({ length: tensors }, (_, i): SensitivityRow => {
    const tensor = `blk.${Math.floor(i / 7)}.${roles[i % 7]!}.weight`;
    const weights = 4096 * [4096, 1024, 1024, 4096, 14336, 14336, 14336][i % 7]!;
    const cells = names.map((format, j) => {
      const bits = Math.round(16 * (1.6 + 0.34 * j + 0.2 * random.next())) / 16;
      return {
        ...{ format, bitsPerWeight: bits, bytes: (weights * bits) / 8, device: 'cpu' as const },
        ...{ relativeSquaredError: 4 ** -bits * (0.7 + 0.6 * random.next()), sqnr: 0, maxError: 0 },
      };
    });
    return {
      ...{ tensor, sources: [tensor], shape: [4096, weights / 4096], weights, roleFactor: 1, cells },
      ...{ lossless: { format: 'F16', bytes: 2 * weights }, gain: Math.exp(2 * random.normal()) },
    };
  });
  const anyFormat = (): string => names[Math.floor(random.next() * formats)]!;
  return {
    ...{ modelHash: 'h', modelName: 'm', parameters: 1, fixedBytes: 0, fixedParameters: 0, rows },
    presets: Array.from({ length: presets }, (_, i) => ({ fileType: `P${i}`, formats: rows.map(anyFormat) })),
  };
}

/** Pins tensors all over the model to a format, one after the other, each beside those before. */
export function timePins(
  table: SensitivityTable,
  count: number,
  timed: (run: () => unknown) => number,
): PinTimes {
  const solve = (constraints: readonly PlanConstraint[]): unknown =>
    solveBudget(table, { kind: 'bits-per-weight', value: bitsPerWeight }, undefined, { constraints });
  solve([]);
  planFront(table, []);
  let constraints: PlanConstraint[] = [];
  const pins: number[] = [];
  const fronts: number[] = [];
  for (let i = 0; i < count; i++) {
    const { tensor, cells } = table.rows[Math.floor(((i + 0.5) * table.rows.length) / count)]!;
    constraints = withPin(constraints, exactPattern(tensor), cells[i % cells.length]!.format);
    const pinned = constraints;
    pins.push(timed(() => solve(pinned)));
    fronts.push(timed(() => planFront(table, pinned)));
  }
  return { pins, fronts };
}
