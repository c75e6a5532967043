import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { TensorReader } from '../../src/analysis/tensorReader';
import { openDecoder } from '../../src/graph/transformer/openDecoder';
import { openModel } from '../../src/layouts/openModel';
import { windowLogits } from '../support/decoderLogits';

/** Checkpoints that the quantizing libraries wrote, each with the logits of its dequantized weights in float32. */
const reference = join(import.meta.dirname, '../../../shared/data/reference');
const isThere = existsSync(reference);
const folders = (isThere ? readdirSync(reference) : []).flatMap((library) => {
  const inside = join(reference, library, 'folders');
  return existsSync(inside) ? readdirSync(inside).map((name) => `${library}/folders/${name}`) : [];
});

async function floatsOf(path: string, name: string): Promise<Float32Array> {
  const model = await openModel(path);
  const tensor = model.tensor(name);
  const values = new Float32Array(tensor.elements);
  for await (const slab of new TensorReader(model, tensor).values())
    values.set(slab.values, slab.firstWeight);
  await model.close();
  return values;
}

describe.skipIf(!isThere)('checkpoints of quantizing libraries', () => {
  it.each(folders.filter((name) => !name.includes('gpt-oss')))('%s: the logits beside it', async (name) => {
    const folder = join(reference, name);
    const logits = join(folder, 'expected-logits.safetensors');
    const tokens = Int32Array.from(await floatsOf(logits, 'tokens'));
    const expected = await floatsOf(logits, 'logits');
    const model = await openModel(folder);
    expect(model.description.quantizedLayout).toBeUndefined();
    expect(model.description.tensors.some(({ stored }) => stored)).toBe(true);
    const decoder = await openDecoder(model, { device: 'ort-cpu', length: tokens.length, keep: false });
    const found = await windowLogits(decoder, tokens);
    await decoder.close();
    await model.close();
    const vocabulary = expected.length / tokens.length;
    const farthest = expected.reduce((most, value, i) => {
      const difference = Math.abs(value - found[Math.floor(i / vocabulary)]![i % vocabulary]!);
      return Math.max(most, difference);
    }, 0);
    expect(farthest).toBeLessThan(1e-4);
  });
});
