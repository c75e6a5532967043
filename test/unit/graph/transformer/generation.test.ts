import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Decoder } from '../../../../src/graph/transformer/decoder';
import { Generation, stepsOfTokens } from '../../../../src/graph/transformer/generation';
import { openDecoder } from '../../../../src/graph/transformer/openDecoder';
import { openModel } from '../../../../src/layouts/openModel';
import { cachedLogits, piecewiseLogits } from '../../../support/decoderLogits';
import { sampleFolder, temporaryFolder } from '../../../support/files';
import { writeCheckpoint } from '../../../support/writeCheckpoint';

const folder = temporaryFolder();
/** Logits are of the size of 1 to 10. */
const bound = 1e-4;
const textOf = (length: number) => Int32Array.from({ length }, (_, i) => (i * 389 + 17) % 1024);

async function withDecoder(path: string, length: number, work: (decoder: Decoder) => Promise<void>) {
  const model = await openModel(path);
  const decoder = await openDecoder(model, { device: 'ort-cpu', length, keep: true });
  await work(decoder);
  await decoder.close();
  await model.close();
}

/** Pieces of a text, by their lengths, against the same text token by token: the largest difference of logits after a piece. */
async function difference(path: string, lengths: readonly number[]): Promise<number> {
  const ends = lengths.map((_, i) => lengths.slice(0, i + 1).reduce((sum, length) => sum + length, 0));
  const text = textOf(ends.at(-1)!);
  let most = 0;
  await withDecoder(path, text.length, async (decoder) => {
    const pieces = ends.map((end, i) => text.subarray(end - lengths[i]!, end));
    const found = await piecewiseLogits(decoder, pieces);
    const expected = await cachedLogits(decoder, text);
    found.forEach((row, i) =>
      row.forEach((logit, j) => (most = Math.max(most, Math.abs(logit - expected[ends[i]! - 1]![j]!) || 0))),
    );
    expect(found.every((row) => row.every(Number.isFinite))).toBe(true);
  });
  return most;
}

describe('text that is read in one pass has the logits of text that is read token by token', () => {
  it.each([...['mixtral', 'deepseek2', 'llama4', 'gpt-oss', 'falconh1', 'qwen35moe', 'nemotronh']])(
    '%s',
    async (name) => {
      const path = join(folder, name);
      await writeCheckpoint(path, name);
      expect(await difference(path, [11, 1, 9])).toBeLessThan(bound);
    },
  );

  // Longer than windows, than chunks of recurrences, and than what goes through a graph at a time.
  it.each(['gemma3', 'mamba2', 'qwen3next', 'lfm2'])('%s, in long pieces', async (name) => {
    const path = join(folder, `long ${name}`);
    await writeCheckpoint(path, name);
    expect(await difference(path, [5, 70, 300, 2])).toBeLessThan(bound);
  });

  it('the sample', async () => {
    expect(await difference(sampleFolder, [130, 20])).toBeLessThan(bound);
  });
});

describe('a text that grows', () => {
  it('is as before when reading more of it is cancelled', async () => {
    const text = textOf(30);
    await withDecoder(sampleFolder, text.length, async (decoder) => {
      const generation = new Generation(decoder, text.length);
      await generation.next(text.subarray(0, 10));
      const controller = new AbortController();
      let steps = 0;
      const ended = generation.next(text.subarray(10, 29), {
        signal: controller.signal,
        onStep: () => ++steps === 2 && controller.abort(),
      });
      await expect(ended).rejects.toMatchObject({ code: 'CANCELLED' });
      expect(generation.length).toBe(10);
      const found = await generation.next(text.subarray(10));
      const expected = (await piecewiseLogits(decoder, [text]))[0]!;
      found.forEach((logit, i) => expect(logit).toBeCloseTo(expected[i]!, 3));
    });
  });

  it('takes the steps that are foretold, and shares none of its future with a fork', async () => {
    const text = textOf(40);
    await withDecoder(sampleFolder, text.length, async (decoder) => {
      const generation = new Generation(decoder, text.length);
      let steps = 0;
      await generation.next(text.subarray(0, 20), { onStep: () => void steps++ });
      expect(steps).toBe(stepsOfTokens(decoder, 20));
      const fork = generation.fork();
      await fork.next(text.subarray(3, 9));
      const found = await generation.next(text.subarray(20));
      const expected = (await piecewiseLogits(decoder, [text]))[0]!;
      found.forEach((logit, i) => expect(logit).toBeCloseTo(expected[i]!, 3));
    });
  });
});
