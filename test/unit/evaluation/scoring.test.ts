import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scoreWindows, type ScoreOptions } from '../../../src/evaluation/evaluate';
import { scoredStates, type ScoreBase } from '../../../src/evaluation/scoring';
import type { ScoredInputs } from '../../../src/evaluation/windows';
import type { Decoder } from '../../../src/graph/transformer/decoder';
import { openDecoder } from '../../../src/graph/transformer/openDecoder';
import { openModel } from '../../../src/layouts/openModel';
import type { Model } from '../../../src/model/model';
import type { EvaluationPoint } from '../../../src/protocol/evaluation';
import { temporaryFolder } from '../../support/files';
import { Checkpoint } from '../../support/reference/checkpoint';
import { softmax, type Vector } from '../../support/reference/math';
import { referenceLogits } from '../../support/reference/models';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();
const path = (name: string): string => join(folder, name);
const length = 16;
/** Of the same weights; the second turns heads slower. */
const names = ['llama', 'llama with linear rope scaling, as transformers 5 writes it'] as const;
/** Positions that are scored: all but the first few, fewer of each window. */
const windows = [0, 1, 2].map((window): ScoredInputs => {
  const inputs = Int32Array.from({ length }, (_, i) => (window * 331 + i * 71) % 1024);
  const targets = inputs.map((_, i) => (i < 5 * window ? -1 : (window * 57 + i * 13) % 1024));
  return { inputs, targets };
});
const models = new Map<string, Model>();
const probabilities = new Map<string, Vector[]>();

beforeAll(async () => {
  for (const name of names) {
    await writeCheckpoint(path(name), name);
    models.set(name, await openModel(path(name)));
    const checkpoint = new Checkpoint(path(name));
    const rows = windows.flatMap(({ inputs, targets }) =>
      referenceLogits(checkpoint, [...inputs]).filter((_, i) => targets[i]! >= 0),
    );
    probabilities.set(name, rows.map(softmax));
  }
});
afterAll(async () => {
  for (const model of models.values()) await model.close();
});

const targets = windows.flatMap((window) => [...window.targets].filter((target) => target >= 0));
const options = (windowsAtOnce: number, more: Partial<ScoreOptions> = {}): ScoreOptions => ({
  windowsAtOnce,
  ...more,
});

async function withDecoder<T>(
  name: string,
  work: (decoder: Decoder) => Promise<T>,
  keep = false,
): Promise<T> {
  const decoder = await openDecoder(models.get(name)!, { device: 'ort-cpu', length, keep });
  try {
    return await work(decoder);
  } finally {
    await decoder.close();
  }
}

/** A base whose states are kept in memory. */
async function baseOf(decoder: Decoder): Promise<ScoreBase> {
  const size = decoder.shape.hiddenSize;
  const parts: number[] = [];
  for await (const { states } of scoredStates(decoder, windows, options(3))) parts.push(...states);
  return {
    decoder,
    read(firstToken, target) {
      target.set(parts.slice(firstToken * size, firstToken * size + target.length));
      return Promise.resolve();
    },
  };
}

function expectClose(found: Float64Array, expected: readonly number[], bound: number): void {
  expect(found).toHaveLength(expected.length);
  expected.forEach((value, i) => expect(Math.abs(found[i]! - value), `token ${i}`).toBeLessThan(bound));
}

describe('losses of windows', () => {
  it.each([1, 2, 3])(
    'are those of an independent forward pass, %i windows at a time',
    async (windowsAtOnce) => {
      const { losses } = await withDecoder(names[0], (decoder) =>
        scoreWindows(decoder, windows, options(windowsAtOnce)),
      );
      const expected = probabilities.get(names[0])!.map((p, i) => -Math.log(p[targets[i]!]!));
      expect(expected).toHaveLength(16 + 11 + 6);
      expectClose(losses, expected, 1e-4);
    },
  );

  it('are reported as they come, over all tokens so far', async () => {
    const points: EvaluationPoint[] = [];
    const { losses } = await withDecoder(names[0], (decoder) =>
      scoreWindows(decoder, windows, options(1, { onPoint: (point) => points.push(point) })),
    );
    expect(points.map((point) => point.windows)).toEqual([1, 2, 3]);
    const mean = (values: Float64Array): number =>
      values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(points[1]!.perplexity).toBeCloseTo(Math.exp(mean(losses.subarray(0, 27))), 9);
    expect(points[2]!.perplexity).toBeCloseTo(Math.exp(mean(losses)), 9);
  });

  it('that are not numbers end the run, naming the first such token', async () => {
    const broken = path('broken');
    await writeCheckpoint(broken, 'mistral');
    const file = join(broken, 'model.safetensors');
    const bytes = readFileSync(file);
    const start = 8 + Number(bytes.readBigUInt64LE());
    const header = JSON.parse(bytes.subarray(8, start).toString()) as Record<
      string,
      { data_offsets: [number, number] }
    >;
    bytes.writeUInt16LE(0x7f7f, start + header['model.norm.weight']!.data_offsets[0]); // 3.4e38
    writeFileSync(file, bytes);
    models.set('broken', await openModel(broken));
    const scored = withDecoder('broken', (decoder) => scoreWindows(decoder, windows, options(3)));
    await expect(scored).rejects.toThrow(/^The loss of scored token 0 is (NaN|-?Infinity): the weights/);
    await expect(scored).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    const fromBroken = withDecoder(names[0], (decoder) =>
      withDecoder('broken', (base) => {
        const read = (_: number, target: Float32Array): Promise<void> =>
          Promise.resolve(void target.fill(NaN));
        return scoreWindows(decoder, windows, options(3, { base: { decoder: base, read } }));
      }),
    );
    await expect(fromBroken).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: 'The divergence of scored token 0 is NaN: the weights of the base overflow.',
    });
  });

  it('are not computed when the run is cancelled', async () => {
    const scored = withDecoder(names[0], (decoder) =>
      scoreWindows(decoder, windows, options(1, { signal: AbortSignal.abort() })),
    );
    await expect(scored).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});

describe('divergences from a base', () => {
  it.each([true, false])('are those of two independent forward passes, weights kept: %s', async (keep) => {
    const [ours, theirs] = names.map((name) => probabilities.get(name)!) as [Vector[], Vector[]];
    const { divergences, losses } = await withDecoder(
      names[1],
      async (baseDecoder) => {
        const base = await baseOf(baseDecoder);
        return withDecoder(names[0], (decoder) => scoreWindows(decoder, windows, options(2, { base })), keep);
      },
      keep,
    );
    const divergence = (p: Vector, i: number): number =>
      theirs[i]!.reduce((sum, base, token) => sum + base * Math.log(base / p[token]!), 0);
    const top = (p: Vector): number => p.indexOf(Math.max(...p));
    const deltaOf = (p: Vector, i: number): number => p[targets[i]!]! - theirs[i]![targets[i]!]!;
    const expected = ours.map(divergence);
    expect(Math.max(...expected)).toBeGreaterThan(0.01); // nothing to compare otherwise
    expectClose(divergences!.divergences, expected, 1e-5);
    expectClose(
      divergences!.baseLosses,
      theirs.map((p, i) => -Math.log(p[targets[i]!]!)),
      1e-4,
    );
    expectClose(
      losses,
      ours.map((p, i) => -Math.log(p[targets[i]!]!)),
      1e-4,
    );
    expectClose(divergences!.deltaP, ours.map(deltaOf), 1e-5);
    expect([...divergences!.sameTop]).toEqual(ours.map((p, i) => (top(p) === top(theirs[i]!) ? 1 : 0)));
  });

  it('of a model from itself are 0 for every token', async () => {
    const { divergences } = await withDecoder(names[0], async (decoder) =>
      scoreWindows(decoder, windows, options(3, { base: await baseOf(decoder) })),
    );
    expect(Math.max(...divergences!.divergences)).toBeLessThan(1e-9);
    expect([...divergences!.sameTop]).toEqual(Array(33).fill(1));
  });
});

describe('states of scored positions', () => {
  it('come with their targets and their place, and are the same in waves of any size', async () => {
    const waves = (windowsAtOnce: number) =>
      withDecoder(names[0], async (decoder) => {
        const found = [];
        for await (const wave of scoredStates(decoder, windows, options(windowsAtOnce)))
          found.push({ ...wave, states: wave.states.slice(), targets: wave.targets.slice() });
        return found;
      });
    const [byOne, atOnce] = [await waves(1), await waves(3)];
    expect(byOne.map((wave) => [wave.firstToken, wave.targets.length])).toEqual([
      [0, 16],
      [16, 11],
      [27, 6],
    ]);
    expect(atOnce).toHaveLength(1);
    expect([...atOnce[0]!.targets]).toEqual(targets);
    const joined = byOne.flatMap(({ states }) => [...states]);
    expect(joined).toHaveLength(33 * 64);
    expectClose(Float64Array.from(joined), [...atOnce[0]!.states], 1e-5);
  });
});
