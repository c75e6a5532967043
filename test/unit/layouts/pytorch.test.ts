import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openModel } from '../../../src/layouts/openModel';
import { readAs } from '../../../src/model/rows';
import { hasSharedData, sharedData, temporaryFolder } from '../../support/files';
import { writeTorchCopy } from '../../support/torchSample';

const folder = temporaryFolder();

/** Name, shape, how it is stored, and a digest-sized view of the values of every weight. */
async function weightsOf(path: string) {
  const model = await openModel(path);
  const { tensors, quantizedLayout } = model.description;
  const found = [];
  for (const tensor of tensors) {
    const data = await model.read(tensor, 0, readAs(tensor).bytes);
    found.push([tensor.name, tensor.dtype, tensor.shape, Buffer.from(data).toString('base64')]);
  }
  await model.close();
  return { found: new Map(found.map(([name, ...rest]) => [name, rest])), quantizedLayout };
}

describe.skipIf(!hasSharedData)(
  'quantized checkpoints in PyTorch files, some of their parts transposed',
  () => {
    it.each([
      ['gptqmodel', 'gptq-4bit-g32-asym'],
      ['gptqmodel', 'gptq_v2-4bit-g32-asym'],
      ['compressed-tensors', 'W4A16_ASYM'],
      ['compressed-tensors', 'W8A8'],
      ['transformers-fp8', 'fp8-block128'],
      ['transformers-mxfp4', 'gpt-oss-tiny-mxfp4'],
    ])('%s %s has the weights of its safetensors file', async (library, name) => {
      const source = join(sharedData, 'reference', library, 'folders', name);
      const copy = join(folder, name);
      let matrices = 0;
      await writeTorchCopy(source, copy, 'zip', () => matrices++ % 2 === 0);
      const [expected, read] = [await weightsOf(source), await weightsOf(copy)];
      expect(expected.found.size).toBeGreaterThan(5);
      expect(matrices).toBeGreaterThan(5);
      expect([...read.found.keys()].sort()).toEqual([...expected.found.keys()].sort());
      for (const [weight, values] of expected.found)
        expect(read.found.get(weight), String(weight)).toEqual(values);
    });
  },
);
