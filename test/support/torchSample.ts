import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { modelOf } from '../../src/model/model';
import { openFiles } from '../../src/model/openFiles';
import { sampleFolder } from './files';
import { storage, torchLegacy, TorchStorage, torchZip, type TorchTensor } from './torchFiles';

/** How a copy of a checkpoint is packed. */
export type Packing = 'zip' | 'legacy' | 'shards';

/** The sample with its weights in PyTorch files; those of attention's output lie transposed, as `.t()` leaves them. */
export const writeTorchSample = (folder: string, packing: Packing): Promise<void> =>
  writeTorchCopy(sampleFolder, folder, packing, (name) => name.includes('o_proj'));

/** A checkpoint with model.safetensors, its weights in PyTorch files. @param isTransposed which matrices lie transposed. */
export async function writeTorchCopy(
  source: string,
  folder: string,
  packing: Packing,
  isTransposed: (name: string) => boolean,
): Promise<void> {
  mkdirSync(folder, { recursive: true });
  cpSync(source, folder, { recursive: true, filter: (path) => !path.endsWith('.safetensors') });
  const tensors = Object.entries(await tensorsOf(source, isTransposed));
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

async function tensorsOf(
  folder: string,
  isTransposed: (name: string) => boolean,
): Promise<Record<string, TorchTensor>> {
  const model = modelOf(await openFiles(join(folder, 'model.safetensors')));
  const found: Record<string, TorchTensor> = {};
  for (const tensor of model.description.tensors) {
    const { name, dtype, shape, byteLength, elements } = tensor;
    const data = Uint8Array.from(await model.read(tensor, 0, byteLength));
    const [rows, columns, ...more] = shape;
    const isMatrix = rows !== undefined && columns !== undefined && more.length === 0;
    found[name] =
      isMatrix && isTransposed(name)
        ? {
            ...held(dtype, transposed(rows, columns, byteLength / elements, data)),
            shape,
            strides: [1, rows],
          }
        : { ...held(dtype, data), shape };
  }
  await model.close();
  return found;
}

/** Dtypes that have no storage of their own: the tensor names them. */
const named: Readonly<Record<string, string>> = {
  F8_E4M3: 'float8_e4m3fn',
  F8_E5M2: 'float8_e5m2',
  F8_E8M0: 'float8_e8m0fnu',
};

function held(dtype: string, data: Uint8Array): Pick<TorchTensor, 'storage' | 'dtype'> {
  const name = named[dtype];
  return name === undefined
    ? { storage: storage(dtype, data) }
    : { storage: new TorchStorage('UntypedStorage', data, 1), dtype: name };
}

/** The same matrix with its columns one after the other. @param width bytes of an element. */
function transposed(rows: number, columns: number, width: number, data: Uint8Array): Uint8Array {
  const to = new Uint8Array(data.length);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const at = (row * columns + column) * width;
      to.set(data.subarray(at, at + width), (column * rows + row) * width);
    }
  return to;
}
