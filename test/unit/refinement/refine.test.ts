import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ScoredInputs } from '../../../src/evaluation/windows';
import { exportGguf } from '../../../src/exporter/exportGguf';
import { openDecoder } from '../../../src/graph/transformer/openDecoder';
import { FileStates, MemoryStates, type States } from '../../../src/graph/transformer/states';
import { openModel } from '../../../src/layouts/openModel';
import type { Model } from '../../../src/model/model';
import { OriginalStates } from '../../../src/refinement/originalStates';
import {
  batchOf,
  rateAt,
  refine,
  type RefinementProgress,
  type RefinementText,
} from '../../../src/refinement/refine';
import { planTraining, Training } from '../../../src/refinement/training';
import { temporaryFolder } from '../../support/files';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();
const at = (name: string): string => join(folder, name);
const length = 16;
const windows = Array.from({ length: 6 }, (_, text): ScoredInputs => ({
  inputs: Int32Array.from({ length }, (_, i) => (text * 311 + i * 97 + 5) % 1024),
  targets: new Int32Array(length).fill(-1),
}));
const apart = { windows, learned: [0, 1, 2, 3], heldBack: [4, 5] };
let checkpoint: Model;
let start: Model;

beforeAll(async () => {
  await writeCheckpoint(at('llama'), 'llama');
  checkpoint = await openModel(at('llama'));
  await exportGguf(checkpoint, { type: 'Q4_0' }, at('start.gguf'));
  start = await openModel(at('start.gguf'));
});
afterAll(async () => {
  await checkpoint.close();
  await start.close();
});

interface Run {
  readonly steps?: number;
  /** The signal fires after so many steps. */
  readonly stopAt?: number;
  /** Continues from what was kept under a name. */
  readonly kept?: string;
  readonly from?: RefinementProgress;
  readonly inFiles?: boolean;
  readonly text?: RefinementText;
}

/** Refines a copy of the file. @returns the progress, and the bytes of the copy. */
async function run(
  name: string,
  { steps = 12, stopAt = Infinity, kept, from, inFiles = false, text = apart }: Run = {},
) {
  copyFileSync(at('start.gguf'), at(name));
  const working = await openModel(at(name));
  const options = { device: 'ort-cpu', length, tokensAtOnce: 2 * length } as const;
  const original = await openDecoder(checkpoint, { ...options, keep: true });
  const decoder = await openDecoder(working, { ...options, keep: false });
  const { hiddenSize } = decoder.shape;
  const room =
    (columns: number) =>
    (rows: number): States =>
      inFiles
        ? new FileStates(folder, rows, columns)
        : new MemoryStates(new Float32Array(rows * columns), columns);
  const plan = planTraining(start.description.tensors, 'codes', () => true);
  const training = await Training.open(plan, start, working, room(1));
  const states = await OriginalStates.measure(original, windows, room(hiddenSize)(windows.length * length), {
    windowsAtOnce: 2,
  });
  const progress: RefinementProgress[] = [];
  const best: boolean[] = [];
  try {
    if (kept !== undefined) expect(await training.load(at(kept), 'all')).toBe(true);
    await refine(decoder, training, {
      ...{ schedule: { steps, batch: 2, every: 4 }, text, original: states, from },
      ...{ room: room(hiddenSize), windowsAtOnce: 2 },
      onMeasured: async (found, isBest) => {
        progress.push(found);
        best.push(isBest);
        await training.save(at(`${name}.state`), 'all');
        if (found.step >= stopAt) throw new Error('stopped');
      },
    });
  } catch (error) {
    if (!(error instanceof Error && error.message === 'stopped')) throw error;
  } finally {
    await training.close();
    states.close();
    await decoder.close();
    await original.close();
    await working.close();
  }
  return { progress, best, bytes: readFileSync(at(name)) };
}

describe('refinement', () => {
  it('brings a model nearer to its original on the text that it learns, in files of the same layout', async () => {
    // The weights are random, and what they do with other text has nothing to do with this one.
    const text = { windows, learned: [0, 1], heldBack: [0, 1] };
    const { progress, best, bytes } = await run('refined.gguf', { steps: 40, text });
    const points = progress.at(-1)!.points;
    expect(points.map(({ step }) => step)).toEqual([0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40]);
    expect(best[0]).toBe(true);
    expect(points.at(-1)!.divergence).toBeLessThan(0.9 * points[0]!.divergence);
    const before = readFileSync(at('start.gguf'));
    expect(bytes.length).toBe(before.length);
    const header = start.gguf!.dataOffset;
    expect(bytes.subarray(0, header)).toEqual(before.subarray(0, header));
    const changed = start.description.tensors.filter(
      ({ offset, byteLength }) =>
        !bytes.subarray(offset, offset + byteLength).equals(before.subarray(offset, offset + byteLength)),
    );
    expect(changed.map(({ name }) => name).sort()).toEqual(
      start.description.tensors.map(({ name }) => name).sort(),
    );
  });

  it('gives the same file when it was stopped and continued, and when its state is in files', async () => {
    const whole = await run('whole.gguf');
    const stopped = await run('stopped.gguf', { stopAt: 4 });
    expect(stopped.progress.at(-1)!.step).toBe(4);
    expect(stopped.bytes).not.toEqual(whole.bytes);
    const from = stopped.progress.at(-1)!;
    const continued = await run('continued.gguf', { kept: 'stopped.gguf.state', from });
    expect(continued.progress.at(-1)).toEqual(whole.progress.at(-1));
    expect(continued.bytes).toEqual(whole.bytes);
    expect((await run('files.gguf', { inFiles: true })).bytes).toEqual(whole.bytes);
  });

  it('does not continue from a damaged state', async () => {
    await run('damaged.gguf', { stopAt: 4 });
    const state = readFileSync(at('damaged.gguf.state'));
    state[1000]! ^= 1;
    writeFileSync(at('damaged.state'), state);
    copyFileSync(at('start.gguf'), at('again.gguf'));
    const working = await openModel(at('again.gguf'));
    const plan = planTraining(start.description.tensors, 'codes', () => true);
    const training = await Training.open(
      ...([plan, start, working] as const),
      (rows) => new MemoryStates(new Float32Array(rows), 1),
    );
    expect(await training.load(at('damaged.state'), 'all')).toBe(false);
    expect(await training.load(at('absent.state'), 'all')).toBe(false);
    expect(readFileSync(at('again.gguf'))).toEqual(readFileSync(at('start.gguf')));
    await training.close();
    await working.close();
  });

  it.each([
    [
      'a gradient',
      (gradient: Float32Array) => (gradient[3] = NaN),
      'Gradients of its weights are not finite (NaN)',
    ],
    [
      'an average',
      (gradient: Float32Array) => (gradient[3] = 1e30),
      'Averages of squared gradients are not finite (Infinity)',
    ],
  ])('stops at %s that is not finite, and leaves the file as it is', async (what, spoil, said) => {
    const name = `${what.replace(' ', '-')}.gguf`;
    copyFileSync(at('start.gguf'), at(name));
    const working = await openModel(at(name));
    const plan = planTraining(start.description.tensors, 'codes', () => true);
    const numbers = new MemoryStates(new Float32Array(plan.numbers), 1);
    const training = await Training.open(plan, start, working, () => numbers);
    for (const tensor of ['output_norm.weight', 'blk.0.attn_q.weight']) {
      const { shape } = start.tensor(tensor);
      const gradient = new Float32Array(shape.reduce((all, size) => all * size, 1)).fill(0.1);
      spoil(gradient);
      const moved = training.move(tensor, gradient, { step: 1, rate: 1 });
      await expect(moved).rejects.toMatchObject({ code: 'REQUEST', place: { tensor } });
      await expect(moved).rejects.toThrow(`${said}: the refinement cannot go on. (`);
    }
    expect(readFileSync(at(name))).toEqual(readFileSync(at('start.gguf')));
    await training.close();
    await working.close();
  });

  it('stops at numbers that the type of the file does not hold', async () => {
    copyFileSync(at('start.gguf'), at('large.gguf'));
    const working = await openModel(at('large.gguf'));
    const plan = planTraining(start.description.tensors, 'factors', () => true);
    const numbers = new MemoryStates(new Float32Array(plan.numbers), 1);
    const training = await Training.open(plan, start, working, () => numbers);
    const save = async (name: string, value: number): Promise<string> => {
      numbers.write(plan.slots.get('blk.0.attn_q.weight')!.first, Float32Array.of(value));
      await training.save(at(name), 'values');
      return at(name);
    };
    await expect(training.load(await save('nan', NaN), 'values')).rejects.toThrow(
      'Trained numbers are not finite',
    );
    await expect(training.load(await save('large', 1e30), 'values')).rejects.toThrow('Factor 0 is too large');
    await training.close();
    await working.close();
  });

  it('leaves no room of states open when it is cancelled or fails at the start', async () => {
    class Room extends MemoryStates {
      isClosed = false;
      override close(): void {
        this.isClosed = true;
      }
    }
    const decoder = await openDecoder(checkpoint, { device: 'ort-cpu', length, keep: false });
    const { hiddenSize } = decoder.shape;
    const states = new Room(new Float32Array(windows.length * length * hiddenSize), hiddenSize);
    const cancelled = OriginalStates.measure(decoder, windows, states, {
      ...{ windowsAtOnce: 2, signal: AbortSignal.abort() },
    });
    await expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED' });
    await decoder.close();
    const plan = planTraining(start.description.tensors, 'codes', () => true);
    const tooSmall = new Room(new Float32Array(1), 1);
    await expect(Training.open(plan, start, start, () => tooSmall)).rejects.toThrow(RangeError);
    expect([states.isClosed, tooSmall.isClosed]).toEqual([true, true]);
  });

  it('takes every window once before any comes again, in another order', () => {
    const indices = [3, 5, 7, 8, 9];
    const taken = Array.from({ length: 5 }, (_, i) => batchOf(indices, 2, i + 1)).flat();
    expect(taken.slice(0, 5).sort()).toEqual(indices);
    expect(taken.slice(5).sort()).toEqual(indices);
    expect(taken.slice(0, 5)).not.toEqual(taken.slice(5));
  });

  it('raises the rate in the first steps and lets it fall to almost nothing', () => {
    const rates = Array.from({ length: 200 }, (_, i) => rateAt(i + 1, 200));
    expect(rates[0]).toBeCloseTo(0.1, 10);
    expect(Math.max(...rates)).toBe(1);
    expect(rates.indexOf(1)).toBe(9);
    expect(rates[104]).toBeCloseTo(0.5, 2);
    expect(rates.at(-1)).toBeLessThan(1e-4);
    expect(rateAt(1, 1)).toBe(1);
  });
});
