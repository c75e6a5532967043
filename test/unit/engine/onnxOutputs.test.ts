import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { EngineProgress } from '../../../src/protocol/engine';
import type { Recipe } from '../../../src/protocol/recipe';
import { onnxBlocks } from '../../../src/quant/grids/libraries';
import { engineJobs } from '../../support/engineJobs';
import { sampleFolder, temporaryFolder } from '../../support/files';

const folder = temporaryFolder();
const { request } = engineJobs(join(folder, 'cache'));
const text = join(sampleFolder, 'generated-calibration.txt');
const inline: Recipe = {
  ...{ version: 1, id: 'gptq', label: 'GPTQ', description: 'A test.', target: 'onnx', layout: 'matmulnbits' },
  calibration: { text, tokens: 256, context: 256 },
  rules: [{ match: 'layers\\.0\\.mlp', grid: onnxBlocks(4, 32, true), method: { id: 'gptq' } }],
};
const short = join(folder, 'short.txt');
writeFileSync(short, readFileSync(text, 'utf8').slice(0, 1500));

const requests = {
  'an export': (out: string, progress: (step: EngineProgress) => void) => {
    const form = { weights: 'matmulnbits-4', method: 'gptq', text: short } as const;
    return request('export/onnx', { ...common('export'), ...form, out }, { progress });
  },
  'a recipe': (out: string, progress: (step: EngineProgress) => void) =>
    request('model/quantize', { ...common('recipe'), inline, out }, { progress }),
} as const;
const common = (name: string) => ({
  ...({ path: sampleFolder, device: 'cpu' } as const),
  cacheDir: join(folder, `cache of ${name}`),
});

it.each(Object.entries(requests))(
  '%s to ONNX does not replace what others wrote to its files while the model ran over a text',
  async (name, run) => {
    const out = join(folder, name);
    const file = join(out, 'model.onnx');
    mkdirSync(out);
    writeFileSync(file, 'of an earlier run');
    let hasRun = false;
    const never = run(out, ({ message }) => {
      if (!message.startsWith('calibration')) return;
      hasRun = true;
      writeFileSync(file, 'of others, meanwhile');
    });
    await expect(never).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringContaining('changed while what replaces it was being made') as string,
    });
    expect(hasRun).toBe(true);
    expect(readFileSync(file, 'utf8')).toBe('of others, meanwhile');
  },
);
