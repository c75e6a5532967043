import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { exportGguf } from '../../../src/exporter/exportGguf';
import { openModel } from '../../../src/layouts/openModel';
import type { TensorDescriptor } from '../../../src/protocol/model';
import { temporaryFolder, writeFile } from '../../support/files';
import { GgufBytes } from '../../support/ggufBytes';

const folder = temporaryFolder();
const types = { F32: 0, F16: 1, 'Q4_0_4_4 (removed)': 31, 'type 138 (unknown)': 138 } as const;

interface Odd {
  readonly name: string;
  /** Outermost dimension first. */
  readonly shape: readonly number[];
  readonly type: keyof typeof types;
  readonly bytes: number;
}

const matrix: Odd = { name: 'blk.0.attn_q.weight', shape: [2, 256], type: 'F32', bytes: 2048 };

/** A GGUF file of these tensors, in which no two bytes in a row of data are equal. */
function fileOf(name: string, tensors: readonly Odd[]): string {
  const header = new GgufBytes()
    .start(3, tensors.length, 1)
    .string('general.architecture')
    .u32(8)
    .string('llama');
  let offset = 0;
  for (const { name: tensor, shape, type, bytes } of tensors) {
    header.tensor(tensor, [...shape].reverse(), types[type], offset);
    offset += Math.ceil(bytes / 32) * 32;
  }
  const file = header.data(offset);
  for (let i = file.length - offset; i < file.length; i++) file[i] = i % 50; // small floats, all finite
  return writeFile(folder, name, file);
}

/** Name, dtype, shape and bytes of every tensor of a file. */
async function contentOf(path: string): Promise<[string, string, readonly number[], Uint8Array][]> {
  const model = await openModel(path);
  try {
    const content = ({ name, dtype, shape, byteLength }: TensorDescriptor) =>
      model.read(model.tensor(name), 0, byteLength).then((bytes) => [name, dtype, shape, bytes] as const);
    const all = await Promise.all(model.description.tensors.map(content));
    return all.map(([...item]) => item);
  } finally {
    await model.close();
  }
}

async function exported(path: string, type: string): Promise<string> {
  const out = join(folder, `${type}-of-${path.split(/[\\/]/).pop()}`);
  const model = await openModel(path);
  await exportGguf(model, { type }, out).finally(() => model.close());
  return out;
}

const byName = <T extends readonly [string, ...unknown[]]>(items: T[]): T[] =>
  items.sort((a, b) => (a[0] < b[0] ? -1 : 1));

const files: [string, Odd[]][] = [
  ['removed.gguf', [{ name: 'a.weight', shape: [4, 256], type: 'Q4_0_4_4 (removed)', bytes: 576 }, matrix]],
  ['unknown.gguf', [{ name: 'z.weight', shape: [3, 100], type: 'type 138 (unknown)', bytes: 448 }, matrix]],
  ['five.gguf', [{ name: 'five.weight', shape: [2, 2, 2, 3, 32], type: 'F32', bytes: 3072 }, matrix]],
  [
    'empty.gguf',
    [
      { name: 'empty', shape: [0], type: 'F32', bytes: 0 },
      { name: 'no.rows.weight', shape: [0, 256], type: 'F16', bytes: 0 },
      matrix,
    ],
  ],
  ['columns.gguf', [{ name: 'no.columns.weight', shape: [2 ** 40, 0], type: 'F32', bytes: 0 }, matrix]],
];

describe('tensors that are rare', () => {
  it.each(files)('%s is copied byte for byte', async (name, tensors) => {
    const path = fileOf(name, tensors);
    const before = await contentOf(path);
    expect(before.map(([, dtype]) => dtype)).toEqual(tensors.map(({ type }) => type));
    expect(byName(await contentOf(await exported(path, 'COPY')))).toEqual(byName(before));
  });

  const kept = files.filter(([name]) => !/removed|unknown/.test(name));
  it.each(kept)('%s keeps them in an export that quantizes', async (name, tensors) => {
    const after = await contentOf(await exported(fileOf(name, tensors), 'Q8_0'));
    expect(byName(after).map(([tensor, , shape]) => [tensor, shape])).toEqual(
      byName(tensors.map(({ name: tensor, shape }): [string, readonly number[]] => [tensor, shape])),
    );
    expect(after.find(([tensor]) => tensor === matrix.name)?.[1]).toBe('Q8_0');
  });

  it('says what to do about a type that cannot be converted', async () => {
    const path = fileOf('removed2.gguf', files[0]![1]);
    await expect(exported(path, 'Q8_0')).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringMatching(
        /Q4_0_4_4 was removed from GGUF.*quantize the original weights again/,
      ) as string,
    });
  });
});
