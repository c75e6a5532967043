import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { obtainEvidence } from '../../src/engine/evaluation/obtainEvidence';
import { exportGguf } from '../../src/exporter/exportGguf';
import type { ExportTarget } from '../../src/exporter/plan';
import { openModel } from '../../src/layouts/openModel';
import type { Model } from '../../src/model/model';
import type { EvidenceSource } from '../../src/quant/evidence';
import { sampleFolder, sharedModel, temporaryFolder } from '../support/files';
import { hasOracle, llamaCpp, nodeLlamaCppCompletion } from '../support/llamaCpp';

/** The corpus that the sample was trained on, and text that was held out of it. Where they are absent, the model's own text serves. */
const hasCorpus = existsSync(join(sharedModel, 'eval.txt'));
const [calibration, evaluation] = hasCorpus
  ? [join(sharedModel, 'calibration.txt'), join(sharedModel, 'eval.txt')]
  : [join(sampleFolder, 'generated-calibration.txt'), join(sampleFolder, 'generated-eval.txt')];
if (!hasCorpus) console.warn(`${sharedModel} is not there: divergences are measured on generated text.`);

describe.skipIf(!hasOracle)('files with optimised codes in llama.cpp', () => {
  const folder = temporaryFolder();
  const path = (name: string): string => join(folder, `${name}.gguf`);
  let sample: Model;
  let evidence: EvidenceSource;

  async function exported(name: string, target: ExportTarget): Promise<string> {
    await exportGguf(sample, target, path(name), { evidence });
    return path(name);
  }

  beforeAll(async () => {
    sample = await openModel(sampleFolder);
    const settings = { text: calibration, needs: ['hessian'], context: 256, device: 'cpu' } as const;
    const context = { signal: new AbortController().signal, progress: () => undefined };
    evidence = await obtainEvidence(sample, settings, join(folder, 'cache'), context);
  });
  afterAll(() => sample.close());

  // Over all of the calibration text and 192 windows the shares are 0.81, 0.63, 0.64 and 0.66 (docs/BENCHMARKS.md).
  it.each([
    ['Q2_K', 0.9],
    ['Q3_K_M', 0.8],
    ['Q4_K_M', 0.8],
    ['Q6_K', 0.8],
  ])('%s has less than %f times the divergence of llama.cpp’s codes', async (type, limit) => {
    const base = await exported('F32', { type: 'F32' });
    const models = [
      await exported(`${type}-reference`, { type }),
      await exported(`${type}-optimised`, { type, codes: 'optimised' }),
    ];
    const text = readFileSync(evaluation, 'utf8');
    const { divergences, windows } = await llamaCpp('divergence', { base, models, text, windows: 24 });
    const [reference, optimised] = divergences as [number, number];
    console.log(`${type}, ${windows} windows: ${reference.toFixed(6)}, optimised ${optimised.toFixed(6)}`);
    expect(windows).toBeGreaterThanOrEqual(20);
    expect(optimised).toBeGreaterThan(0);
    expect(optimised / reference).toBeLessThan(limit);
  });

  it('continue a prompt through node-llama-cpp', async () => {
    const { text } = await nodeLlamaCppCompletion(path('Q4_K_M-optimised'), 'KING RICHARD III:\n', 12);
    expect(text.trim().length).toBeGreaterThan(10);
  });
});
