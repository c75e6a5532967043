import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { measureDivergences } from '../../../src/ampq/divergences';
import { backward } from '../../../src/evaluation/backward';
import { median } from '../../../src/evaluation/statistics';
import { openTokenizer } from '../../../src/evaluation/tokenizer/openTokenizer';
import { planWindows, windowAt, type ScoredInputs } from '../../../src/evaluation/windows';
import { openDecoder } from '../../../src/graph/transformer/openDecoder';
import { MemoryStates } from '../../../src/graph/transformer/states';
import type { Weights } from '../../../src/graph/transformer/weights';
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

/** What a format changes of a matrix, [rows, columns]. */
async function changeOf(weights: Weights, tensor: string): Promise<Float32Array> {
  const size = weights.tensors.get(tensor)!.shape.reduce((product, dim) => product * dim, 1);
  const [before, after] = [new Float32Array(size), new Float32Array(size)];
  await weights.load(tensor, before);
  weights.replace(tensor, { format });
  await weights.load(tensor, after);
  weights.replace(tensor, undefined);
  return after.map((value, i) => value - before[i]!);
}

/** ½ Σ (g · ΔW x)² over the tokens of a run. */
function curvature(
  change: Float32Array,
  gradients: Float32Array,
  inputs: Float32Array,
  columns: number,
): number {
  const rows = change.length / columns;
  let sum = 0;
  for (let token = 0; token < gradients.length / rows; token++) {
    let product = 0;
    for (let row = 0; row < rows; row++) {
      let moved = 0;
      for (let column = 0; column < columns; column++)
        moved += change[row * columns + column]! * inputs[token * columns + column]!;
      product += gradients[token * rows + row]! * moved;
    }
    sum += product ** 2 / 2;
  }
  return sum;
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
  const changes = new Map<string, Float32Array>();
  for (const tensor of tensors) changes.set(tensor, await changeOf(decoder.weights, tensor));
  const predicted = new Map<string, number>();
  const { labels } = await backward(decoder, windows, {
    windowsAtOnce: 2,
    room: (tokens) =>
      new MemoryStates(new Float32Array(tokens * decoder.shape.hiddenSize), decoder.shape.hiddenSize),
    onProduct: ({ tensor, gradients, inputs, columns }) => {
      const change = changes.get(tensor);
      if (change)
        predicted.set(tensor, (predicted.get(tensor) ?? 0) + curvature(change, gradients, inputs, columns));
      return Promise.resolve();
    },
  });
  const base = await openDecoder(model, { device: 'ort-cpu', length, keep: false });
  const weightChanges = new Map(tensors.map((tensor) => [tensor, { format }]));
  const { byTensor } = await measureDivergences(decoder, base, windows, weightChanges, { room: 1 << 28 });
  const ratios = tensors.map((tensor) => predicted.get(tensor)! / labels.length / byTensor.get(tensor)!);
  expect(labels.every((label) => label >= 0)).toBe(true);
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
