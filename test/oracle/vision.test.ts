import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { exportGguf } from '../../src/exporter/exportGguf';
import { exportMmproj } from '../../src/exporter/mmproj/exportMmproj';
import { openModel } from '../../src/layouts/openModel';
import { mmprojTypes, type MmprojType } from '../../src/protocol/mmproj';
import { vocabulary } from '../support/checkpointParts';
import { temporaryFolder } from '../support/files';
import { hasVisionOracle, llamaCppImage, type ImageOutcome } from '../support/llamaCpp';
import { Random } from '../support/random';
import { Checkpoint } from '../support/reference/checkpoint';
import { imageRows, logitsAfter, type TextWithImage } from '../support/reference/imageText';
import { seenImage } from '../support/reference/vision/seenImage';
import { visionCheckpoints } from '../support/visionCheckpoints';
import { writeVisionCheckpoint } from '../support/writeVisionCheckpoint';

const folder = temporaryFolder();

/** llama.cpp looks GELU up in a table of half-precision numbers, and rounds inputs of products to the type of the matrix. */
const bounds: Readonly<Record<MmprojType, number>> = { F32: 2e-3, F16: 2e-3, BF16: 1e-2, Q8_0: 5e-2 };
const usualTypes = ['F32', 'Q8_0'] as const;

/** Largest difference of two lists of vectors. */
function farthest(ours: readonly ArrayLike<number>[], theirs: readonly ArrayLike<number>[]): number {
  expect(theirs.map(({ length }) => length)).toEqual(ours.map(({ length }) => length));
  return Math.max(
    ...ours.flatMap((row, i) => Array.from(row, (value, j) => Math.abs(value - theirs[i]![j]!))),
  );
}

/** What llama.cpp made of an image, each time that it is in the text. */
const imagesOf = ({ chunks }: ImageOutcome) =>
  chunks.flatMap((chunk) => ('embeddings' in chunk ? [chunk.embeddings] : []));
const textOf = ({ chunks }: ImageOutcome): TextWithImage =>
  chunks.map((chunk) => ('tokens' in chunk ? chunk.tokens : 'image'));

describe.skipIf(!hasVisionOracle)('exported vision parts in llama.cpp', () => {
  for (const [index, [name, spec]] of Object.entries(visionCheckpoints).entries()) {
    it(`${name}: an image becomes what the definition of transformers says, and so does the text after it`, async () => {
      const source = join(folder, `checkpoint-${index}`);
      await writeVisionCheckpoint(source, spec);
      const { width, height } = spec.image;
      const noise = new Random(5).fill(3 * width * height, (random) => Math.floor(256 * random.next()));
      const image = { width, height, pixels: Uint8Array.from(noise) };
      const checkpoint = new Checkpoint(source);
      const seen = seenImage(checkpoint, spec.preprocessor, image);
      const breakToken = spec.tokens[0] === '[IMG_BREAK]' ? vocabulary : undefined;
      const expected = imageRows(checkpoint, seen, breakToken);
      expect(Math.max(...expected.flatMap((row) => [...row.map(Math.abs)]))).toBeGreaterThan(1); // nothing to compare otherwise
      const model = await openModel(source);
      const text = `${source}.gguf`;
      await exportGguf(model, { type: 'F32' }, text);
      for (const type of name === 'gemma3' || name === 'mistral3' ? mmprojTypes : usualTypes) {
        const mmproj = `${source}-${type}.gguf`;
        await exportMmproj(model, mmproj, { type });
        const outcome = await llamaCppImage({
          ...{ model: text, mmproj, image, before: 'See ', after: ' and say so:' },
        });
        for (const vectors of imagesOf(outcome))
          expect(farthest(expected, vectors), `${type}: vectors`).toBeLessThan(bounds[type]);
        const logits = logitsAfter(checkpoint, seen, textOf(outcome), breakToken);
        expect(farthest(logits, outcome.logits), `${type}: logits`).toBeLessThan(bounds[type]);
      }
      await model.close();
    });
  }
});
