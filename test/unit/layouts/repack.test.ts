import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { WrittenWeight } from '../../../src/layouts/layout';
import { openModel } from '../../../src/layouts/openModel';
import { quantizedReader } from '../../../src/layouts/quantizedReader';
import { writerNamed } from '../../../src/recipes/writers';
import { hasSharedData, sharedData } from '../../support/files';
import { checkpoint, renamed, slabsOf, tensorsOf, written, type StoredBytes } from '../../support/layouts';

const reference = join(sharedData, 'reference');
const vector = (library: string, name: string) =>
  tensorsOf(join(reference, library, 'vectors', `${name}.safetensors`));

/** A checkpoint of one layer in another layout, without decoding it. */
async function repacked(folder: string, id: string) {
  const model = await openModel(folder);
  const [tensor] = model.description.tensors;
  const reader = (await quantizedReader(model, tensor!))!;
  const weight: WrittenWeight = { ...tensor!, grid: reader.grid, dtype: 'F16' };
  const writer = writerNamed(id)!;
  const refusal = writer.refuse(weight);
  const parts = refusal ? [] : await written(writer, weight, slabsOf(reader, tensor!.shape, 64));
  await model.close();
  const named = parts.map((part) => [part.name.replace('layer.', ''), part] as const);
  return { refusal, parts: new Map<string, StoredBytes>(named) };
}

async function weightsOf(folder: string): Promise<Float32Array> {
  const model = await openModel(folder);
  const [tensor] = model.description.tensors;
  const bytes = await model.read(tensor!, 0, 4 * tensor!.elements);
  await model.close();
  return new Float32Array(bytes.buffer);
}

const gptqConfig = (format: string) => ({
  dtype: 'float16',
  quantization_config: { bits: 4, checkpoint_format: format, sym: true, meta: { quantizer: ['quantscope'] } },
});

describe.skipIf(!hasSharedData)('codes are stored in another layout without being decoded', () => {
  it.each(['pack-g-1-w256x256', 'pack-g128-w256x256'])('Marlin to GPTQ and back: %s', async (name) => {
    const parts = renamed(vector('marlin', name), { B: 'B', s: 's' });
    const marlin = checkpoint(parts, {});
    const { parts: gptqParts } = await repacked(marlin, 'gptq');
    expect([...gptqParts.keys()]).toEqual(['qweight', 'qzeros', 'scales', 'g_idx']);
    const gptq = checkpoint(gptqParts, gptqConfig('gptq'));
    expect(await weightsOf(gptq)).toEqual(await weightsOf(marlin));

    const { parts: back } = await repacked(gptq, 'marlin');
    for (const [end, { bytes }] of back) expect(bytes.equals(parts.get(end)!.bytes), end).toBe(true);
    expect(back.size).toBe(2);
  });

  it('GPTQ of 4 bits to compressed-tensors, TorchAO and AWQ: the same weights', async () => {
    const names = { qweight: 'qweight', qzeros_v1: 'qzeros', scales: 'scales', g_idx: 'g_idx' };
    const gptq = checkpoint(renamed(vector('gptqmodel', 'pack-b4-sym'), names), gptqConfig('gptq'));
    const weights = await weightsOf(gptq);
    for (const id of ['compressed-tensors-pack', 'torchao-intx', 'awq', 'gptq-v2']) {
      const { parts, refusal } = await repacked(gptq, id);
      expect(refusal, id).toBeUndefined();
      const config = id === 'gptq-v2' ? gptqConfig('gptq_v2') : { dtype: 'float16' };
      expect(await weightsOf(checkpoint(parts, config)), id).toEqual(weights);
    }
  });

  it('zero points are refused by layouts that have none', async () => {
    const names = { qweight: 'qweight', qzeros_v2: 'qzeros', scales: 'scales', g_idx: 'g_idx' };
    const gptq = checkpoint(renamed(vector('gptqmodel', 'pack-b4-asym'), names), gptqConfig('gptq_v2'));
    expect((await repacked(gptq, 'marlin')).refusal).toBe('Marlin has signed integers of 4 bits');
    expect((await repacked(gptq, 'eetq')).refusal).toBe('EETQ has signed integers of 8 bits');
    expect((await repacked(gptq, 'bitsandbytes-8bit')).refusal).toBe(
      'LLM.int8 has signed integers of 8 bits',
    );
  });
});
