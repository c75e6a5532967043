import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openModel } from '../../../src/layouts/openModel';
import { packModel, packTensors } from '../../../src/model/packTensors';
import { tableOf } from '../../../src/model/tabledModel';
import type { ModelDescription } from '../../../src/protocol/model';
import { safetensorsBytes, temporaryFolder, writeFile } from '../../support/files';
import { writeShardedMixture } from '../../support/mixtureModel';

const small = { layers: 3, experts: 12, hidden: 8, expertHidden: 4 };

async function described(path: string): Promise<ModelDescription> {
  const model = await openModel(path);
  await model.close();
  return model.description;
}

/** A shard whose tensors have these names, dtypes and sizes; data follows in that order. */
function shard(folder: string, file: string, tensors: readonly (readonly [string, string, number])[]): void {
  let end = 0;
  const bytes: Readonly<Record<string, number>> = { F32: 4, BF16: 2, U8: 1 };
  const entries = tensors.map(([name, dtype, size]) => {
    const begin = end;
    end += size * bytes[dtype]!;
    return [name, { dtype, shape: [size], data_offsets: [begin, end] }] as const;
  });
  const header = JSON.stringify(Object.fromEntries(entries));
  writeFile(folder, file, safetensorsBytes(header, end));
}

const index = (folder: string, map: Readonly<Record<string, string>>): string =>
  writeFile(folder, 'model.safetensors.index.json', JSON.stringify({ metadata: {}, weight_map: map }));

describe('headers that are read as columns', () => {
  it('of many shards are one table, which says what the descriptors say', async () => {
    const { index: path } = writeShardedMixture(temporaryFolder(), small, 7);
    const model = await described(path);
    expect(tableOf(model)?.count).toBe(138);
    expect(packModel(model).tensors).toEqual(packTensors([...model.tensors]));
    expect(new Set(model.tensors.map(({ file }) => basename(file))).size).toBe(7);
    expect(model.tensors.every(({ offset, shape }) => offset > 0 && shape.length > 0)).toBe(true);
    expect(model.dataBytes).toBe(model.tensors.reduce((sum, { byteLength }) => sum + byteLength, 0));
    expect(model.parameters).toBe(model.tensors.reduce((sum, { elements }) => sum + elements, 0));
  });

  it('may hold names that do not ascend, as those of several dtypes do, and tensors without data', async () => {
    const folder = temporaryFolder();
    shard(folder, '1.safetensors', [
      ...([
        ['layers.0.norm', 'F32', 2],
        ['layers.1.norm', 'F32', 3],
        ['layers.0.a.weight', 'BF16', 2],
        ['layers.0.e.weight', 'BF16', 0],
        ['layers.10.a.weight', 'BF16', 2],
      ] as const),
    ]);
    shard(folder, '2.safetensors', [['layers.2.norm', 'F32', 2]]);
    const path = index(folder, {
      ...{ 'layers.0.norm': '1.safetensors', 'layers.2.norm': '2.safetensors' },
      ...{ 'layers.1.norm': '1.safetensors', 'layers.0.a.weight': '1.safetensors' },
      ...{ 'layers.0.e.weight': '1.safetensors', 'layers.10.a.weight': '1.safetensors' },
    });
    const model = await described(path);
    expect(tableOf(model)).toBeDefined();
    expect(model.warnings).toEqual([]);
    expect(model.tensors.map(({ name, elements }) => [name, elements])).toEqual([
      ...[
        ['layers.0.norm', 2],
        ['layers.1.norm', 3],
        ['layers.0.a.weight', 2],
        ['layers.0.e.weight', 0],
      ],
      ...[
        ['layers.10.a.weight', 2],
        ['layers.2.norm', 2],
      ],
    ]);
  });

  it.each([0, 1, 2, '\t'])('belong to an index that is indented by %j', async (indent) => {
    const { index: path } = writeShardedMixture(temporaryFolder(), small, 7);
    const plain = await described(path);
    writeFileSync(path, JSON.stringify(JSON.parse(readFileSync(path, 'utf8')), null, indent));
    const model = await described(path);
    expect(tableOf(model)?.count).toBe(138);
    expect(model.tensors).toEqual(plain.tensors);
  });

  it.each([
    ['twice', { 'layers.0.a': '1.safetensors', 'layers.1.a': '1.safetensors' }, 'layers.1.a', 'layers.0.a'],
    [
      'with a number too long for one',
      { 'layers.0.a': '1.safetensors' },
      'layers.0.a',
      'layers.1234567890.a',
    ],
    ['with a leading zero', { 'layers.0.a': '1.safetensors' }, 'layers.0.a', 'layers.00.a'],
  ])('keep apart from an index that has a name %s', async (_, map, name, other) => {
    const folder = temporaryFolder();
    shard(
      folder,
      '1.safetensors',
      Object.keys(map).map((key) => [key, 'F32', 2]),
    );
    const text = JSON.stringify({ metadata: {}, weight_map: map });
    const path = writeFile(folder, 'model.safetensors.index.json', text.replace(name, other));
    const { warnings, tensors } = await described(path);
    expect(warnings.join()).toContain(`In a shard but not in the index: 1 tensor (${name})`);
    expect(tensors.filter(({ readable }) => readable)).toHaveLength(Object.keys(map).length);
  });

  it('are compared with the index name by name', async () => {
    const folder = temporaryFolder();
    shard(folder, '1.safetensors', [
      ['layers.0.a', 'F32', 1],
      ['layers.1.a', 'F32', 1],
    ]);
    shard(folder, '2.safetensors', [['layers.2.a', 'F32', 1]]);
    const of = (last: string, at: string) =>
      described(index(folder, { 'layers.0.a': '1.safetensors', 'layers.1.a': '1.safetensors', [last]: at }));
    expect((await of('layers.2.a', '2.safetensors')).warnings).toEqual([]);
    expect((await of('layers.3.a', '2.safetensors')).warnings).toEqual([
      'In a shard but not in the index: 1 tensor (layers.2.a).',
      'In the index but not in their shard: 1 tensor (layers.3.a).',
    ]);
    shard(folder, '2.safetensors', [
      ['layers.1.a', 'F32', 1],
      ['layers.2.a', 'F32', 1],
    ]);
    await expect(of('layers.2.a', '2.safetensors')).rejects.toThrow(
      'The tensor appears in two shards, 1.safetensors and 2.safetensors.',
    );
  });
});
