import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { measureCurvature } from '../../../src/ampq/curvature';
import { measureDivergences } from '../../../src/ampq/divergences';
import { median } from '../../../src/evaluation/statistics';
import { openTokenizer } from '../../../src/evaluation/tokenizer/openTokenizer';
import { planWindows, windowAt, type ScoredInputs } from '../../../src/evaluation/windows';
import { openDecoder } from '../../../src/graph/transformer/openDecoder';
import { MemoryStates } from '../../../src/graph/transformer/states';
import { openModel } from '../../../src/layouts/openModel';
import type { Model } from '../../../src/model/model';
import { formatById } from '../../../src/quant/catalogue';
import { sampleFolder } from '../../support/files';

const length = 256;
/** Matrices of every kind, in early and late blocks. */
const tensors = [
  ...['blk.0.attn_q', 'blk.1.attn_k', 'blk.2.attn_v', 'blk.3.attn_output', 'blk.5.attn_v'],
  ...['blk.0.ffn_gate', 'blk.2.ffn_up', 'blk.3.ffn_down', 'blk.5.ffn_down'],
].map((name) => `${name}.weight`);
const format = formatById('Q4_0');

async function textWindows(model: Model): Promise<ScoredInputs[]> {
  const tokenizer = await openTokenizer(model);
  const text = readFileSync(join(sampleFolder, 'generated-calibration.txt'), 'utf8');
  const tokens = await tokenizer.encode(text, {});
  const settings = { convention: 'sliding', context: length, stride: length, windows: 6 } as const;
  const plan = planWindows(tokens.length, settings, tokenizer, length);
  return Array.from({ length: plan.windows }, (_, index) => windowAt(plan, tokens, index));
}

/** Errors that keys have in common move all scores of a query alike, which softmax does not see: predictions of keys are too large. */
const mostOf = (tensor: string): number => (tensor.includes('attn_k') ? 3 : 1.5);

/**
 * The Fisher information is the curvature of the divergence, so that half of the mean of (g · ΔW x)² predicts what a small change does.
 * Products of different tokens are left out, as if errors had no pattern, and labels are sampled: over
 * 1,536 tokens predictions of single matrices scatter by a third, and their median by a few percent.
 */
it('predicts the divergences that quantizing one matrix of the sample leads to', async () => {
  const model = await openModel(sampleFolder);
  const windows = await textWindows(model);
  const decoder = await openDecoder(model, { device: 'ort-cpu', length, keep: false });
  const changes = new Map(tensors.map((tensor) => [tensor, { format }]));
  const predicted = await measureCurvature(decoder, windows, changes, {
    windowsAtOnce: 2,
    room: (tokens) =>
      new MemoryStates(new Float32Array(tokens * decoder.shape.hiddenSize), decoder.shape.hiddenSize),
  });
  const base = await openDecoder(model, { device: 'ort-cpu', length, keep: false });
  const { byTensor } = await measureDivergences(decoder, base, windows, changes, { room: 1 << 28 });
  const ratios = tensors.map((tensor) => predicted.get(tensor)! / byTensor.get(tensor)!);
  expect([...predicted.keys()].sort()).toEqual([...tensors].sort());
  for (const [i, ratio] of ratios.entries()) {
    expect(ratio, tensors[i]).toBeGreaterThan(0.6);
    expect(ratio, tensors[i]).toBeLessThan(mostOf(tensors[i]!));
  }
  expect(median(ratios)).toBeGreaterThan(0.85);
  expect(median(ratios)).toBeLessThan(1.15);
  await base.close();
  await decoder.close();
  await model.close();
});
