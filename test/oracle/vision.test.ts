import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { convertVision } from '../../src/architectures/vision/convertVision';
import { findVision, visionParts } from '../../src/architectures/vision/registry';
import { exportGguf } from '../../src/exporter/exportGguf';
import { exportMmproj } from '../../src/exporter/mmproj/exportMmproj';
import { openModel } from '../../src/layouts/openModel';
import { mmprojTypes, type MmprojType } from '../../src/protocol/mmproj';
import { llamaVision } from '../support/cache';
import { vocabulary } from '../support/checkpointParts';
import { describedTensors } from '../support/descriptionParts';
import { temporaryFolder } from '../support/files';
import { hasVisionOracle, llamaCppImage, type ImageOutcome } from '../support/llamaCpp';
import { Random } from '../support/random';
import { Checkpoint } from '../support/reference/checkpoint';
import { imageRows, logitsAfter, type TextWithImage } from '../support/reference/imageText';
import type { Vector } from '../support/reference/math';
import { seenImage } from '../support/reference/vision/seenImage';
import { visionCheckpoints } from '../support/visionCheckpoints';
import type { VisionSpec } from '../support/visionParts';
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

/** An image of random pixels. */
const noise = ({ width, height }: VisionSpec['image']) => ({
  ...{ width, height },
  pixels: Uint8Array.from(
    new Random(5).fill(3 * width * height, (random) => Math.floor(256 * random.next())),
  ),
});

describe.skipIf(!hasVisionOracle)('exported vision parts in llama.cpp', () => {
  for (const [index, [name, spec]] of Object.entries(visionCheckpoints).entries()) {
    it(`${name}: an image becomes what the definition of transformers says, and so does the text after it`, async () => {
      const source = join(folder, `checkpoint-${index}`);
      await writeVisionCheckpoint(source, spec);
      const image = noise(spec.image);
      const checkpoint = new Checkpoint(source);
      const seen = seenImage(checkpoint, spec.preprocessor, image);
      const breakToken = spec.tokens[0] === '[IMG_BREAK]' ? vocabulary : undefined;
      const expected = imageRows(checkpoint, seen, breakToken);
      expect(Math.max(...expected.flatMap((row) => [...row.map(Math.abs)]))).toBeGreaterThan(0.5); // nothing to compare otherwise
      const model = await openModel(source);
      const text = `${source}.gguf`;
      await exportGguf(model, { type: 'F32' }, text);
      let logits: Vector[] | undefined;
      for (const type of name === 'gemma3' || name === 'mistral3' ? mmprojTypes : usualTypes) {
        const mmproj = `${source}-${type}.gguf`;
        await exportMmproj(model, mmproj, { type });
        const outcome = await llamaCppImage({
          ...{ model: text, mmproj, image, before: 'See ', after: ' and say so:' },
        });
        for (const vectors of imagesOf(outcome))
          expect(farthest(expected, vectors), `${type}: vectors`).toBeLessThan(bounds[type]);
        logits ??= logitsAfter(checkpoint, seen, textOf(outcome), breakToken);
        expect(farthest(logits, outcome.logits), `${type}: logits`).toBeLessThan(bounds[type]);
      }
      await model.close();
    });
  }
});

describe.skipIf(!hasVisionOracle)('limits of the size of an image', () => {
  it('are those of llama.cpp, which the notes name, not those of the preprocessor', async () => {
    const spec = visionCheckpoints['qwen2vl']!;
    const source = join(folder, 'limited');
    const limits = { min_pixels: 784, max_pixels: 16 * 784 }; // a third of the image
    await writeVisionCheckpoint(source, { ...spec, preprocessor: { ...spec.preprocessor, ...limits } });
    const [model, mmproj] = [`${source}.gguf`, `${source}-mmproj.gguf`];
    const opened = await openModel(source);
    await exportGguf(opened, { type: 'F16' }, model);
    const { notes } = await exportMmproj(opened, mmproj);
    await opened.close();
    expect(notes).toEqual([
      'preprocessor_config.json scales images to between 1 and 16 tokens; llama.cpp scales them to between 8 and 4096, unless its options image-min-tokens and image-max-tokens say otherwise.',
    ]);
    const outcome = await llamaCppImage({
      ...{ model, mmproj, image: noise(spec.image), before: 'See ', after: '.' },
    });
    expect(imagesOf(outcome).map(({ length }) => length)).toEqual([48]);
  });
});

describe.skipIf(!hasVisionOracle)('names that descriptions of vision parts write', () => {
  const library = hasVisionOracle ? readFileSync(llamaVision) : Buffer.of();
  /** Whether llama.cpp has one of the texts as a constant. */
  const knowsOne = (texts: readonly string[]): boolean => texts.some((text) => library.includes(`${text}\0`));
  const made = Object.values(visionCheckpoints).map((spec) =>
    convertVision(describedTensors(spec), {
      config: { value: spec.config, file: 'config.json' },
      images: { value: spec.preprocessor, file: 'preprocessor_config.json' },
      tokenId: () => 0,
    }),
  );

  it('of each description are those of a tiny checkpoint here', () => {
    const shown = new Set(Object.values(visionCheckpoints).map(({ config }) => findVision(config)));
    expect(visionParts.filter((part) => !shown.has(part)).map(({ family }) => family)).toEqual([]);
  });

  it('are constants of llama.cpp where they are projectors', () =>
    expect(visionParts.filter(({ projector }) => !knowsOne([projector]))).toEqual([]));

  it('are constants of llama.cpp where they are keys', () => {
    const keys = new Set(made.flatMap(({ keyValues }) => keyValues.map(({ key }) => key)));
    const isUnknown = (key: string) => !knowsOne([key, key.replace('clip.vision', 'clip.%s')]);
    expect([...keys].filter(isUnknown)).toEqual([]);
  });

  it('are constants of llama.cpp where they are tensors', () => {
    const names = new Set(made.flatMap(({ tensors }) => tensors.map(({ name }) => name)));
    const isUnknown = (name: string) => {
      const numbered = name.replace(/(?<=^mm\.|\.blk\.|\.deepstack\.)\d+/, '%d');
      const prefixed = numbered.replace(/^v\./, '%s.');
      return !knowsOne([numbered, prefixed].flatMap((text) => [text, text.replace(/(weight|bias)$/, '%s')]));
    };
    expect([...names].filter(isUnknown)).toEqual([]);
  });
});
