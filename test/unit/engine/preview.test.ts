import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { refuseTooMany } from '../../../src/engine/evaluation/runPreview';
import { blockErrors } from '../../../src/evaluation/blockErrors';
import type { TextWindow, WindowPlan } from '../../../src/evaluation/windows';
import { openDecoder } from '../../../src/graph/transformer/openDecoder';
import { openModel } from '../../../src/layouts/openModel';
import type { RecipeSelection } from '../../../src/protocol/quantizeModel';
import { engineJobs } from '../../support/engineJobs';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();
const cacheDir = join(folder, 'cache');
const { request, evaluate } = engineJobs(cacheDir);
const text = join(sampleFolder, 'generated-eval.txt');
const windows = { context: 64, windows: 4 } as const;
const paths = { llama: join(folder, 'llama'), mixtral: join(folder, 'mixtral') };

beforeAll(async () => {
  for (const [name, path] of Object.entries(paths)) await writeCheckpoint(path, name);
});

const preview = (recipe: RecipeSelection, path = paths.llama) =>
  request('evaluation/preview', { path, cacheDir, recipe, text, ...windows, device: 'cpu' });

describe('a preview of a quantized model', () => {
  it('is without errors where nothing is changed', async () => {
    const model = await openModel(paths.llama);
    const options = { device: 'ort-cpu', length: 8, keep: false } as const;
    const [original, same] = [await openDecoder(model, options), await openDecoder(model, options)];
    const tokens = Int32Array.from({ length: 8 }, (_, i) => 7 * i + 3);
    const window = { inputs: tokens, targets: new Int32Array(8).fill(-1).fill(3, 4, 6) };
    const found = await blockErrors(original, same, [window, window], {});
    expect(found.blocks).toEqual([0, 1].map((block) => ({ block, own: 0, accumulated: 0 })));
    expect(found.output).toBe(0);
    expect([...found.divergences.divergences]).toEqual([0, 0, 0, 0]);
    for (const closed of [original, same, model]) await closed.close();
  });

  it.each(['llama', 'mixtral'] as const)(
    'has the figures of an evaluation at the output, and errors that the first block begins: %s',
    async (name) => {
      const recipe = { recipe: 'bnb-nf4' };
      const found = await preview(recipe, paths[name]);
      const evaluated = await evaluate({ path: paths[name], recipe, text, ...windows });
      expect(found.variant).toBe('bnb-nf4');
      expect(found.tokens).toBe(256);
      expect(found.perplexity.value / evaluated.text!.perplexity.value).toBeCloseTo(1, 6);
      expect(found.divergence.value / evaluated.text!.divergence!.mean.value).toBeCloseTo(1, 4);
      const [first, second] = found.blocks;
      expect(first!.accumulated / first!.own).toBeCloseTo(1, 4);
      expect(second!.accumulated).toBeGreaterThan(second!.own);
      expect(found.output).toBeGreaterThan(0);
      expect(found.originalPerplexity.value).not.toBe(found.perplexity.value);
    },
  );

  it('rejects more windows than memory has room for', () => {
    const planned = (count: number) => ({
      file: '/t.txt',
      windows: new Array<TextWindow>(count),
      plan: { context: 64 } as WindowPlan,
    });
    const room = 3 * 4 * 64 * 1000 * 8;
    expect(() => refuseTooMany(planned(8), 1000, room)).not.toThrow();
    expect(() => refuseTooMany(planned(9), 1000, room)).toThrow(
      'The states of 9 windows need 6.91 MB of memory, and there is room for 6.14 MB: use fewer windows.',
    );
  });

  it('has smaller errors with more bits, in every block, and larger ones with rounded inputs', async () => {
    const [four, eight] = [await preview({ recipe: 'bnb-nf4' }), await preview({ recipe: 'bnb-int8' })];
    const rounded = await preview({ recipe: 'w8a8' });
    eight.blocks.forEach((block, i) => {
      expect(block.own).toBeLessThan(0.1 * four.blocks[i]!.own);
      expect(block.own).toBeLessThan(rounded.blocks[i]!.own);
    });
    expect(eight.divergence.value).toBeLessThan(four.divergence.value);
  });

  it('ends when it is cancelled', async () => {
    const controller = new AbortController();
    const params = {
      path: paths.llama,
      cacheDir,
      recipe: { recipe: 'bnb-nf4' },
      text,
      ...windows,
      device: 'cpu',
    } as const;
    const ended = request('evaluation/preview', params, {
      signal: controller.signal,
      progress: () => controller.abort(),
    });
    await expect(ended).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});
