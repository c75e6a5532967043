import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { exportGguf } from '../../src/exporter/exportGguf';
import { openModel } from '../../src/layouts/openModel';
import { sampleFolder, sharedModel, temporaryFolder } from '../support/files';
import { hasOracle, llamaCpp } from '../support/llamaCpp';

/** Held out of the sample's training. Where it is absent, text that the model wrote itself is scored instead. */
const heldOut = join(sharedModel, 'eval.txt');
const hasHeldOut = existsSync(heldOut);
if (!hasHeldOut) console.warn(`${heldOut} is not there: perplexity is measured on generated-eval.txt alone.`);
const text = readFileSync(hasHeldOut ? heldOut : join(sampleFolder, 'generated-eval.txt'), 'utf8');

describe.skipIf(!hasOracle)('perplexity of exported files in llama.cpp', () => {
  const folder = temporaryFolder();
  const path = (name: string): string => join(folder, `${name}.gguf`);

  async function exportSample(type: string): Promise<string> {
    const model = await openModel(sampleFolder);
    await exportGguf(model, { type }, path(type)).finally(() => model.close());
    return path(type);
  }

  it('equals that of llama.cpp’s own Q4_K_M within 0.5 %', async () => {
    const half = await exportSample('F16');
    const theirs = path('theirs');
    await llamaCpp('quantize', { from: half, runs: [{ to: theirs, fileType: 15 }] });
    const measure = (model: string) => llamaCpp('perplexity', { model, text, windows: 192 });
    const reference = await measure(half);
    const own = await measure(await exportSample('Q4_K_M'));
    const other = await measure(theirs);
    console.log(
      `${own.windows} windows: F16 ${reference.perplexity.toFixed(4)}, ours ${own.perplexity.toFixed(4)}, llama.cpp ${other.perplexity.toFixed(4)}`,
    );
    expect(own.windows).toBeGreaterThanOrEqual(hasHeldOut ? 40 : 20);
    expect(own.scored).toBe(own.windows * 127);
    expect(Math.abs(own.perplexity / other.perplexity - 1)).toBeLessThan(0.005);
    expect(Math.abs(own.perplexity / reference.perplexity - 1)).toBeLessThan(0.01);
    // llama-perplexity on a float32 GGUF of the same weights and windows.
    if (hasHeldOut) expect(Math.abs(reference.perplexity / 26.7666 - 1)).toBeLessThan(0.002);
  });
});
