import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openModel } from '../../src/layouts/openModel';
import { sampleFolder } from './files';
import { storage, torchLegacy, torchZip, type TorchTensor } from './torchFiles';

/** How a copy of the sample is packed. */
export type Packing = 'zip' | 'legacy' | 'shards';

/** The sample with its weights in PyTorch files; those of attention's output lie transposed, as `.t()` leaves them. */
export async function writeTorchSample(folder: string, packing: Packing): Promise<void> {
  mkdirSync(folder, { recursive: true });
  cpSync(sampleFolder, folder, { recursive: true });
  rmSync(join(folder, 'model.safetensors'));
  const tensors = Object.entries(await sampleTensors());
  if (packing !== 'shards') {
    const state = Object.fromEntries(tensors);
    writeFileSync(join(folder, 'pytorch_model.bin'), packing === 'zip' ? torchZip(state) : unaligned(state));
    return;
  }
  const half = tensors.length >> 1;
  const shardOf: Record<string, string> = {};
  for (const [i, part] of [tensors.slice(0, half), tensors.slice(half)].entries()) {
    const file = `pytorch_model-0000${i + 1}-of-00002.bin`;
    writeFileSync(join(folder, file), torchZip(Object.fromEntries(part)));
    for (const [name] of part) shardOf[name] = file;
  }
  writeFileSync(join(folder, 'pytorch_model.bin.index.json'), JSON.stringify({ weight_map: shardOf }));
}

/** A file of the older format whose 16-bit numbers lie at odd offsets, as half of such files have them. */
const unaligned = (state: Record<string, TorchTensor>): Buffer =>
  ['', 'x'].map((note) => torchLegacy({ ...state, note })).find(({ length }) => length % 2 === 1)!;

async function sampleTensors(): Promise<Record<string, TorchTensor>> {
  const model = await openModel(sampleFolder);
  const found: Record<string, TorchTensor> = {};
  for (const tensor of model.description.tensors) {
    const { name, dtype, shape, byteLength } = tensor;
    const data = Uint8Array.from(await model.read(tensor, 0, byteLength));
    found[name] = name.includes('o_proj')
      ? transposed(dtype, shape as [number, number], data)
      : { storage: storage(dtype, data), shape };
  }
  await model.close();
  return found;
}

/** The same matrix with its columns one after the other in the file. */
function transposed(
  dtype: string,
  [rows, columns]: readonly [number, number],
  data: Uint8Array,
): TorchTensor {
  const from = new Uint16Array(data.buffer);
  const to = new Uint16Array(from.length);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) to[column * rows + row] = from[row * columns + column]!;
  return { storage: storage(dtype, to), shape: [rows, columns], strides: [1, rows] };
}
