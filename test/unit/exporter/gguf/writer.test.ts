import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeAtomically } from '../../../../src/files/atomicFile';
import type { KeyValue } from '../../../../src/model/keyValue';
import { layOutGguf, writeGguf } from '../../../../src/exporter/gguf/writer';
import { openFileSource } from '../../../../src/model/byteSource';
import { readArrayElements } from '../../../../src/model/ggufValue';
import { HeaderReader } from '../../../../src/model/headerReader';
import { openModel } from '../../../../src/layouts/openModel';
import { temporaryFolder } from '../../../support/files';

const folder = temporaryFolder();

const pairs: KeyValue[] = [
  { key: 'general.architecture', type: 'string', value: 'llama' },
  { key: 'a.u8', type: 'u8', value: 255 },
  { key: 'a.i8', type: 'i8', value: -128 },
  { key: 'a.u16', type: 'u16', value: 65535 },
  { key: 'a.i16', type: 'i16', value: -32768 },
  { key: 'a.u32', type: 'u32', value: 4294967295 },
  { key: 'a.i32', type: 'i32', value: -2147483648 },
  { key: 'a.f32', type: 'f32', value: 0.5 },
  { key: 'a.bool', type: 'bool', value: true },
  { key: 'a.u64', type: 'u64', value: 18446744073709551615n },
  { key: 'a.i64', type: 'i64', value: -9223372036854775808n },
  { key: 'a.f64', type: 'f64', value: 1e-300 },
  { key: 'a.text', type: 'string', value: 'Ġñ🙂' },
];

async function write(path: string, alignment?: number): Promise<void> {
  const strings: KeyValue = {
    key: 'a.strings',
    type: 'array',
    elementType: 'string',
    values: Array.from({ length: 5000 }, (_, i) => `token ${i}`),
  };
  const floats: KeyValue = { key: 'a.floats', type: 'array', elementType: 'f32', values: [1.5, -2] };
  const aligned: KeyValue[] =
    alignment === undefined ? [] : [{ key: 'general.alignment', type: 'u32', value: alignment }];
  const tensors = [
    { name: 'm', shape: [1, 3, 5], to: 'F16', bytes: 30 },
    { name: 'v', shape: [4], to: 'F32', bytes: 16 },
  ];
  const layout = layOutGguf([...pairs, strings, floats, ...aligned], tensors, alignment);
  await writeAtomically(path, (file) =>
    writeGguf(file, layout, async function* ({ bytes }) {
      yield await Promise.resolve(new Uint8Array(bytes).fill(bytes));
    }),
  );
}

describe('GGUF writer', () => {
  it('writes what the reader reads: every type of value, arrays, shapes, data', async () => {
    const path = join(folder, 'a.gguf');
    await write(path);
    const model = await openModel(path);
    const metadata = model.gguf!.metadata;
    for (const pair of pairs)
      expect(metadata.get(pair.key), pair.key).toMatchObject({
        type: pair.type,
        scalar: 'value' in pair && pair.value,
      });
    const source = await openFileSource(path);
    const reader = new HeaderReader(source);
    const strings = await readArrayElements(reader, metadata.get('a.strings')!);
    expect([strings.length, strings[4999]]).toEqual([5000, 'token 4999']);
    expect(await readArrayElements(reader, metadata.get('a.floats')!)).toEqual([1.5, -2]);
    await source.close();
    expect(model.description.tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape }))).toEqual([
      { name: 'm', dtype: 'F16', shape: [3, 5] },
      { name: 'v', dtype: 'F32', shape: [4] },
    ]);
    for (const tensor of model.description.tensors) {
      expect(tensor.offset % 32).toBe(0);
      const bytes = await model.read(tensor, 0, tensor.byteLength);
      expect(new Set(bytes)).toEqual(new Set([tensor.byteLength]));
    }
    await model.close();
  });

  it('aligns data as general.alignment says', async () => {
    const path = join(folder, 'b.gguf');
    await write(path, 256);
    const model = await openModel(path);
    expect(model.gguf!.dataOffset % 256).toBe(0);
    expect(model.tensor('v').offset - model.tensor('m').offset).toBe(256);
    await model.close();
  });
});
