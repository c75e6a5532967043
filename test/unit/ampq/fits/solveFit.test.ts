import { describe, expect, it } from 'vitest';
import { cacheBytes, computeBytes } from '../../../../src/ampq/fits/memory';
import { placesOf, type Place } from '../../../../src/ampq/fits/placement';
import { fitsInto, solveFit } from '../../../../src/ampq/fits/solveFit';
import type { FitRequest, MemoryUse } from '../../../../src/protocol/fit';
import type { LoadedModel } from '../../../../src/protocol/loadedModel';
import { parsePlan, printPlan } from '../../../../src/ampq/planFile';
import { padded } from '../../../../src/protocol/fileFrame';
import type { PlanConstraint, SensitivityTable } from '../../../../src/protocol/plan';
import { rowWith } from '../../../support/plans';
import { Random } from '../../../support/random';

const bits: Readonly<Record<string, number>> = { Q2_K: 2, Q4_K: 4, Q6_K: 6 };
const formats = Object.keys(bits);

/** Two blocks of one matrix each; the embedding is the output, too, or there is one. */
const model = (isTied: boolean): LoadedModel => ({
  shape: {
    ...{ contextLength: 4096, activations: 64, vocabulary: 100, hidden: 16, notes: [] },
    layers: [
      { keys: 32, values: 32 },
      { keys: 32, values: 32 },
    ],
  },
  frame: { bytes: 1000 + 2 * 64, alignment: 32 },
  fixed: [
    { name: 'blk.0.attn_norm.weight', bytes: 64 },
    { name: 'output_norm.weight', bytes: 64 },
  ],
  ...{ headerBytes: 1000, isTied },
});

function tableOf(random: Random, isTied: boolean): SensitivityTable {
  const names = ['token_embd', 'blk.0.attn_q', 'blk.0.ffn_up', 'blk.1.attn_q', ...(isTied ? [] : ['output'])];
  const rows = names.map((name) => {
    const weights = 8 * (500 + Math.floor(4000 * random.next()));
    const cells = formats.map((format) => ({
      ...{ format, bytes: (weights * bits[format]!) / 8, bitsPerWeight: bits[format]! },
      ...{
        relativeSquaredError: random.next() / bits[format]!,
        sqnr: 0,
        maxError: 0,
        device: 'cpu' as const,
      },
    }));
    return { ...rowWith(`${name}.weight`, weights, cells), gain: random.next() };
  });
  const sizes = { parameters: 1, fixedBytes: 128, fixedParameters: 32 };
  return { modelHash: 'h', modelName: 'm', ...sizes, rows, presets: [] };
}

const settings = { context: 512, sequences: 1, cacheType: 'f16' } as const;
const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
const cache = (layers: number): number => layers * 512 * 64 * 2;
const compute = computeBytes(model(true).shape, settings);
const totalOf = (use: MemoryUse): number => use.weights + use.cache + use.compute;

/** The smallest divergence of all assignments and numbers of layers that fit, by the rules of `placesOf`. */
function bestOfAll(table: SensitivityTable, loaded: LoadedModel, ram: number, gpu: number): number {
  let best = Infinity;
  for (let layers = 0; layers <= 3; layers++)
    for (let code = 0; code < formats.length ** table.rows.length; code++) {
      const cells = table.rows.map(({ cells: own }, i) => own[Math.floor(code / formats.length ** i) % 3]!);
      const held = (memory: Place): number => {
        const isHere = (name: string): boolean =>
          placesOf(name, { blocks: 2, isTied: loaded.isTied }, { gpuLayers: layers, cpuMoe: false }).includes(
            memory,
          );
        const alignment = memory === 'gpu' ? 128 : 32;
        const sized = [
          ...loaded.fixed,
          ...table.rows.map(({ tensor }, i) => ({ name: tensor, bytes: cells[i]!.bytes })),
        ];
        return sum(sized.map(({ name, bytes }) => (isHere(name) ? padded(bytes, alignment) : 0)));
      };
      const onGpu = Math.max(0, layers - 1);
      const allInputs = 2 * 512 * 512 + 4 * 512 * 16 + 1024 * 1024;
      const ramUse = 1000 + held('ram') + cache(2 - onGpu) + (layers === 3 ? allInputs : compute);
      const gpuUse = held('gpu') + cache(onGpu) + (layers > 0 ? compute : 0);
      if (ramUse > ram || gpuUse > gpu) continue;
      best = Math.min(best, sum(cells.map((item, i) => item.relativeSquaredError * table.rows[i]!.gain!)));
    }
  return best;
}

describe('a plan for a memory', () => {
  it('leaves room for keys, values and buffers', () => {
    const table = tableOf(new Random(3), false);
    const memory = 60_000 + cache(2) + compute;
    const { plan, use } = solveFit(table, model(false), { ...settings, memory });
    expect(plan.budget).toEqual({ kind: 'bytes', value: 60_000 });
    expect(plan.fit).toEqual({ ...settings, memory });
    expect(use.memory).toEqual({ weights: plan.total.fileBytes, cache: cache(2), compute });
    expect(totalOf(use.memory)).toBeLessThanOrEqual(memory);
    expect(sum(cacheBytes(model(false).shape, settings))).toBe(cache(2));
  });

  it('is not there where the smallest formats do not fit: the error names the smallest memory, which suffices', () => {
    const table = tableOf(new Random(4), false);
    const request = (memory: number): FitRequest => ({ ...settings, memory });
    const failing = (): unknown => solveFit(table, model(false), request(100_000));
    expect(failing).toThrow(
      /does not fit into 100\.00 kB: it takes at least .* of keys and values, .* of buffers/,
    );
    const least = Number(/\((\d+)B:/.exec(messageOf(failing))![1]);
    expect(fitsInto(table, model(false), request(least))).toBe(true);
    expect(fitsInto(table, model(false), request(least - 1))).toBe(false);
    expect(totalOf(solveFit(table, model(false), request(least)).use.memory)).toBe(least);
  });
});

describe('a plan for RAM and a GPU', () => {
  it.each([true, false])('is the best of all assignments and splits, embedding tied: %s', (isTied) => {
    const random = new Random(5);
    const loaded = model(isTied);
    let found = 0;
    for (let i = 0; i < 60; i++) {
      const table = tableOf(random, isTied);
      const ram = compute + Math.floor(random.next() * (cache(2) + 60_000));
      const gpu = compute + Math.floor(random.next() * (cache(2) + 40_000));
      const request = { ...settings, memory: ram, gpu: { memory: gpu, cpuMoe: false } };
      const best = bestOfAll(table, loaded, ram, gpu);
      expect(fitsInto(table, loaded, request)).toBe(best < Infinity);
      if (best === Infinity) continue;
      const { plan, use } = solveFit(table, loaded, request);
      expect(plan.total.divergence).toBeCloseTo(best, 9);
      expect(totalOf(use.memory)).toBeLessThanOrEqual(ram);
      expect(totalOf(use.gpu!)).toBeLessThanOrEqual(gpu);
      found += 1;
    }
    expect(found).toBeGreaterThan(15);
  });

  it('has as many layers on the GPU as its memory permits where that costs nothing', () => {
    const table = tableOf(new Random(6), false);
    const gpu = { memory: 1e9, cpuMoe: false };
    const { plan, use } = solveFit(table, model(false), { ...settings, memory: 1e9, gpu });
    expect(plan.fit?.gpu).toEqual({ memory: 1e9, layers: 3, cpuMoe: false });
    expect(use.gpu).toMatchObject({ cache: cache(2), compute });
    expect(plan.budget).toEqual({ kind: 'bytes', value: plan.total.fileBytes });
  });

  it('keeps to the number of layers that is given, and names what does not fit with it', () => {
    const table = tableOf(new Random(7), false);
    const request = (memory: number): FitRequest => ({
      ...{ ...settings, memory: 1e9, gpu: { memory, layers: 2, cpuMoe: false } },
    });
    expect(solveFit(table, model(false), request(1e9)).use.gpu!.cache).toBe(cache(1));
    const failing = (): unknown => solveFit(table, model(false), request(1_000_000));
    expect(failing).toThrow(
      /with 2 layers on the GPU, the GPU takes at least .* of weights, .* of keys and values, .* of buffers\), and 1\.00 MB were given; RAM takes at least/,
    );
    const least = Number(/GPU takes at least [^(]*\((\d+)B/.exec(messageOf(failing))![1]);
    expect(fitsInto(table, model(false), request(least))).toBe(true);
    expect(fitsInto(table, model(false), request(least - 1))).toBe(false);
  });

  it('keeps to constraints, also of tensors in both memories', () => {
    const table = tableOf(new Random(8), false);
    const constraints: PlanConstraint[] = [{ tensors: '^(token_embd|output)', agree: true }];
    const request = { ...settings, memory: 1e9, gpu: { memory: 1e9, layers: 3, cpuMoe: false } };
    const { assignments } = solveFit(table, model(false), request, constraints).plan;
    const format = (name: string) => assignments.find(({ tensor }) => tensor === name)!.format;
    expect(format('token_embd.weight')).toBe(format('output.weight'));
  });

  it('is written to the plan file and read again; impossible numbers are rejected', () => {
    const table = tableOf(new Random(9), false);
    const request = { ...settings, memory: 1e9, gpu: { memory: 1e9, cpuMoe: true } };
    const { plan } = solveFit(table, model(false), request);
    const text = printPlan(plan);
    expect(parsePlan(JSON.parse(text), 'a.ampq.json').fit).toEqual(plan.fit);
    const changed = text.replace('"cacheType": "f16"', '"cacheType": "f8"');
    expect(() => parsePlan(JSON.parse(changed), 'a.ampq.json')).toThrow(
      /\$\.fit\.cacheType must be one of f32, f16/,
    );
  });
});

function messageOf(failing: () => unknown): string {
  try {
    failing();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('There is a plan.');
}
