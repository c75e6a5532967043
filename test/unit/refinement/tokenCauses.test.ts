import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { quantizedVariant } from '../../../src/engine/evaluation/weightVariant';
import { compareLogits } from '../../../src/evaluation/chat/compareLogits';
import { openDecoder } from '../../../src/graph/transformer/openDecoder';
import type { WeightChange } from '../../../src/graph/transformer/weights';
import { openModel } from '../../../src/layouts/openModel';
import type { CausesResult } from '../../../src/protocol/chat';
import { windowLogits } from '../../support/decoderLogits';
import { engineJobs } from '../../support/engineJobs';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();
const cacheDir = join(folder, 'cache');
const { request } = engineJobs(cacheDir);
/** "ROMEO:" and what follows, in tokens of the sample. */
const text = [33, 46, 36, 36, 46, 25, 197, 54, 71, 461];
const sample = { path: sampleFolder, cacheDir, device: 'cpu' } as const;
const effectsOf = ({ tensors }: CausesResult) =>
  new Map(tensors.map(({ tensor, effect }) => [tensor, effect]));

/** Divergences of the sample with some of the changes, after the text. */
async function divergences(
  all: ReadonlyMap<string, WeightChange>,
  sets: readonly (readonly string[])[],
): Promise<number[]> {
  const model = await openModel(sampleFolder);
  const decoder = await openDecoder(model, { device: 'ort-cpu', length: text.length, keep: false });
  const lastLogits = async (changed: readonly string[]): Promise<Float32Array> => {
    for (const [name, change] of all)
      decoder.weights.replace(name, changed.includes(name) ? change : undefined);
    return (await windowLogits(decoder, Int32Array.from(text))).at(-1)!;
  };
  const original = await lastLogits([]);
  const found: number[] = [];
  for (const changed of sets)
    found.push(compareLogits({ original, variant: await lastLogits(changed) }).divergence);
  await decoder.close();
  await model.close();
  return found;
}

const ranks = (values: readonly number[]): number[] => {
  const order = values.map((_, i) => i).sort((a, b) => values[a]! - values[b]!);
  return values.map((_, i) => order.indexOf(i));
};

function rankCorrelation(a: readonly number[], b: readonly number[]): number {
  const [x, y] = [ranks(a), ranks(b)];
  const n = a.length;
  const squares = x.reduce((sum, rank, i) => sum + (rank - y[i]!) ** 2, 0);
  return 1 - (6 * squares) / (n * (n ** 2 - 1));
}

describe('the tensors that moved a token', () => {
  let causes: CausesResult;
  beforeAll(async () => {
    causes = await request('chat/causes', { ...sample, variant: { type: 'Q4_K_M' }, tokens: text });
  });

  it('add up to its divergence, and are ordered by what they add', () => {
    expect(causes.divergence).toBeGreaterThan(1e-4);
    expect(Math.abs(causes.sum / causes.divergence - 1)).toBeLessThan(0.1);
    const effects = causes.tensors.map(({ effect }) => effect);
    expect(effects).toEqual([...effects].sort((a, b) => b - a));
    expect(causes.tensors.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
  });

  it('are those that really change it: each exchanged alone, in the original and in the variant', async () => {
    const model = await openModel(sampleFolder);
    const { changes } = await quantizedVariant(model, { type: 'Q4_K_M', allowRequantize: true });
    await model.close();
    const names = [...changes.keys()];
    const sets = names.flatMap((name) => [[name], names.filter((other) => other !== name)]);
    const [whole, ...each] = await divergences(changes, [names, ...sets]);
    expect(causes.divergence / whole!).toBeCloseTo(1, 4);
    // Its first place and its last in an order of exchanges: their mean is the effect, as far as the divergence is quadratic.
    const exchanged = names.map((_, i) => (each[2 * i]! + whole! - each[2 * i + 1]!) / 2);
    const effects = effectsOf(causes);
    const predicted = names.map((name) => effects.get(name) ?? 0);
    expect(rankCorrelation(predicted, exchanged)).toBeGreaterThan(0.99);
    const missed = predicted.reduce((sum, effect, i) => sum + Math.abs(effect - exchanged[i]!), 0);
    expect(missed).toBeLessThan(0.1 * whole!);
  });

  it('are the same of the file that an export writes, whose heads have their rows in another order', async () => {
    const out = join(folder, 'sample-Q4_K_M.gguf');
    await request('export/gguf', { path: sampleFolder, type: 'Q4_K_M', out });
    const ofFile = effectsOf(
      await request('chat/causes', { ...sample, variant: { other: out }, tokens: text }),
    );
    const back = effectsOf(
      await request('chat/causes', { ...sample, path: out, variant: { other: sampleFolder }, tokens: text }),
    );
    for (const { tensor, effect } of causes.tensors) {
      expect(Math.abs(ofFile.get(tensor)! - effect)).toBeLessThan(1e-3 * causes.sum);
      // From the file to the checkpoint, the changes are the opposite and the divergence is another, of about the same size.
      expect(Math.abs(back.get(tensor)! - effect)).toBeLessThan(0.2 * causes.sum);
    }
  });

  it.each(['mixtral', 'gemma3n'])('are found in other architectures: %s', async (name) => {
    const path = join(folder, name);
    await writeCheckpoint(path, name);
    const found = await request('chat/causes', {
      ...{ ...sample, path, tokens: [5, 9, 200, 31], variant: { format: 'Q8_0' } },
    });
    expect(Math.abs(found.sum / found.divergence - 1)).toBeLessThan(0.1);
    expect(found.tensors.length).toBeGreaterThan(5);
  });

  it('are none where nothing differs', async () => {
    const same = await request('chat/causes', { ...sample, variant: { other: sampleFolder }, tokens: text });
    expect(same.tensors).toEqual([]);
    expect(same.divergence).toBe(0);
  });

  it('are not looked for after tokens that the model does not have', async () => {
    const ask = (tokens: readonly number[]) =>
      request('chat/causes', { ...sample, variant: { type: 'Q4_K_M' }, tokens });
    await expect(ask([1, 1024])).rejects.toThrow('1024 is not a token; the vocabulary has 1024.');
    await expect(ask([])).rejects.toThrow('there is no token before the one that is asked about');
    await expect(ask(Array.from({ length: 257 }, () => 1))).rejects.toThrow(
      'context of the model ends at 256',
    );
  });
});
