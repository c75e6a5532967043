import { join } from 'node:path';
import { TensorReader } from '../../src/analysis/tensorReader';
import { openDecoder } from '../../src/graph/transformer/openDecoder';
import { openModel } from '../../src/layouts/openModel';
import type { Model } from '../../src/model/model';
import { windowLogits } from './decoderLogits';

async function floatsOf(path: string, name: string): Promise<Float32Array> {
  const model = await openModel(path);
  const tensor = model.tensor(name);
  const values = new Float32Array(tensor.elements);
  for await (const slab of new TensorReader(model, tensor).values())
    values.set(slab.values, slab.firstWeight);
  await model.close();
  return values;
}

/** What a library's reference folder says that its model computes: tokens, and logits `[tokens, vocabulary]`. */
export interface ExpectedLogits {
  readonly tokens: Int32Array;
  readonly logits: Float32Array;
}

export async function expectedLogits(folder: string): Promise<ExpectedLogits> {
  const file = join(folder, 'expected-logits.safetensors');
  return {
    tokens: Int32Array.from(await floatsOf(file, 'tokens')),
    logits: await floatsOf(file, 'logits'),
  };
}

/** Logits of a window of tokens by the engine's forward pass, `[tokens, vocabulary]`. */
export async function logitsOf(model: Model, tokens: Int32Array): Promise<Float32Array> {
  const decoder = await openDecoder(model, { device: 'ort-cpu', length: tokens.length, keep: false });
  const rows = await windowLogits(decoder, tokens);
  await decoder.close();
  return Float32Array.from(rows.flatMap((row) => [...row]));
}

/** The largest distance between numbers at the same place. */
export const farthest = (some: Float32Array, others: Float32Array): number =>
  some.reduce((most, value, i) => Math.max(most, Math.abs(value - others[i]!)), 0);
