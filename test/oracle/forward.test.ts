import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { exportGguf } from '../../src/exporter/exportGguf';
import type { Decoder } from '../../src/graph/transformer/decoder';
import { openDecoder, type DecoderOptions } from '../../src/graph/transformer/openDecoder';
import { openModel } from '../../src/layouts/openModel';
import { checkpoints, runnableCheckpoints } from '../support/checkpoints';
import { cachedLogits, piecewiseLogits, windowLogits } from '../support/decoderLogits';
import { temporaryFolder } from '../support/files';
import { Checkpoint } from '../support/reference/checkpoint';
import type { Vector } from '../support/reference/math';
import { referenceLogits } from '../support/reference/models';
import { writeCheckpoint } from '../support/writeCheckpoint';

const folder = temporaryFolder();
const tokens = Int32Array.from({ length: 32 }, (_, i) => (i * 389 + 17) % 1024);
/** Logits are of the size of 1 to 10. */
const bound = 1e-4;

/** Largest difference over the positions that `theirs` has. */
function farthest(ours: readonly Float32Array[], theirs: readonly Vector[]): number {
  return Math.max(
    ...theirs.map((row, i) =>
      row.reduce((most, value, j) => Math.max(most, Math.abs(value - ours[i]![j]!)), 0),
    ),
  );
}

/** The same after pieces of the text that are read in one pass each. */
async function afterPieces(decoder: Decoder, theirs: readonly Vector[]): Promise<number> {
  const ends = [19, 20, tokens.length].filter((end) => end <= theirs.length);
  const found = await piecewiseLogits(
    decoder,
    ends.map((end, i) => tokens.subarray(ends[i - 1] ?? 0, end)),
  );
  return farthest(
    found,
    ends.map((end) => theirs[end - 1]!),
  );
}

async function differences(path: string, expected: readonly Vector[], change: Partial<DecoderOptions>) {
  const model = await openModel(path);
  const options: DecoderOptions = { device: 'ort-cpu', length: tokens.length, keep: false, ...change };
  const decoder = await openDecoder(model, options);
  const found = {
    window: farthest(await windowLogits(decoder, tokens), expected),
    // Without weights that stay, every token would read them again.
    ...(options.keep
      ? {
          cached: farthest(await cachedLogits(decoder, tokens), expected),
          pieces: await afterPieces(decoder, expected),
        }
      : {}),
  };
  await decoder.close();
  await model.close();
  return found;
}

describe('forward passes as graphs against an independent one', () => {
  for (const [index, name] of runnableCheckpoints.entries()) {
    it(`${name}: a checkpoint and its GGUF file give the logits of the definition`, async () => {
      const source = join(folder, `checkpoint-${index}`);
      await writeCheckpoint(source, name);
      // A window that GGUF has no place for shows beyond its end only; the checkpoint is run with it.
      const { agreeing } = checkpoints[name]!;
      const expected = referenceLogits(new Checkpoint(source), [...tokens]);
      const spread = Math.max(...expected.flatMap((row) => [...row.map(Math.abs)]));
      expect(spread).toBeGreaterThan(1); // nothing to compare otherwise
      const gguf = `${source}.gguf`;
      const model = await openModel(source);
      await exportGguf(model, { type: 'F16' }, gguf);
      await model.close();
      const runs: readonly (readonly [string, Partial<DecoderOptions>])[] = [
        [source, {}],
        [source, { placement: 'held' }],
        [source, { keep: true }],
        [gguf, {}],
        [gguf, { placement: 'held', keep: true }],
      ];
      for (const [path, change] of runs) {
        const shared = path === gguf ? expected.slice(0, agreeing) : expected;
        const { window, cached, pieces } = await differences(path, shared, change);
        const what = `${path === gguf ? 'GGUF' : 'checkpoint'} ${JSON.stringify(change)}`;
        expect(window, what).toBeLessThan(bound);
        if (!change.keep) continue;
        expect(cached, `${what}, token by token`).toBeLessThan(bound);
        expect(pieces, `${what}, in pieces`).toBeLessThan(bound);
      }
    });
  }

  it.each([
    ['llama', 600],
    ['gemma3', 300],
    ['mamba2', 200],
    ['lfm2', 300],
    ['qwen3next', 100],
    ['qwen35', 100],
  ])('%s: windows of %i tokens, more than are processed at a time', async (name, length) => {
    const source = join(folder, `long ${name}`);
    await writeCheckpoint(source, name);
    const text = Int32Array.from({ length }, (_, i) => (i * 389 + 17) % 1024);
    const expected = referenceLogits(new Checkpoint(source), [...text]);
    const model = await openModel(source);
    const decoder = await openDecoder(model, { device: 'ort-cpu', length: text.length, keep: false });
    expect(farthest(await windowLogits(decoder, text), expected)).toBeLessThan(bound);
    await decoder.close();
    await model.close();
  });

  it('a vocabulary is processed in slices', async () => {
    const { config, shapes } = checkpoints['llama']!;
    const size = 20_000;
    const large = Object.entries(shapes).map(([tensor, shape]) => [
      tensor,
      /embed_tokens|lm_head/.test(tensor) ? [size, shape[1]!] : shape,
    ]);
    const source = join(folder, 'large vocabulary');
    const spec = {
      config: { ...config, vocab_size: size },
      shapes: Object.fromEntries(large) as typeof shapes,
    };
    await writeCheckpoint(source, spec);
    const expected = referenceLogits(new Checkpoint(source), [...tokens]);
    const { window } = await differences(source, expected, {});
    expect(window).toBeLessThan(bound);
  });
});
