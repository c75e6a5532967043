import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeAtomically } from '../../../../src/files/atomicFile';
import {
  layOutParts,
  parseSplitSize,
  partName,
  splitKeyValues,
  splitTensors,
  type SplitRule,
} from '../../../../src/exporter/gguf/splits';
import { writeGguf, type GgufTensor } from '../../../../src/exporter/gguf/writer';
import type { KeyValue } from '../../../../src/model/keyValue';
import { openModel } from '../../../../src/layouts/openModel';
import { temporaryFolder } from '../../../support/files';

/** Tensors of so many floats. */
const tensorsOf = (...floats: readonly number[]): GgufTensor[] =>
  floats.map((count, i) => ({ name: `t${i}`, shape: [count], to: 'F32', bytes: 4 * count }));

const sizes = (floats: readonly number[], rule: SplitRule<GgufTensor>): number[][] =>
  splitTensors(tensorsOf(...floats), rule).map((part) => part.map(({ bytes }) => bytes / 4));

describe('splitTensors', () => {
  it('fills each file up to a size, padding counted', () => {
    // 9 floats are 36 bytes and take 64.
    expect(sizes([8, 8, 9, 8, 8], { kind: 'bytes', value: 128 })).toEqual([
      [8, 8, 9],
      [8, 8],
    ]);
    expect(sizes([8, 8, 9, 8, 8], { kind: 'bytes', value: 127 })).toEqual([[8, 8], [9, 8], [8]]);
  });
  it('gives a tensor that is too large a file of its own', () => {
    expect(sizes([8, 100, 8, 8], { kind: 'bytes', value: 64 })).toEqual([[8], [100], [8, 8]]);
    expect(sizes([100, 8], { kind: 'bytes', value: 64 })).toEqual([[100], [8]]);
  });
  it('counts tensors', () => {
    expect(sizes([1, 2, 3, 4, 5], { kind: 'tensors', value: 2 })).toEqual([[1, 2], [3, 4], [5]]);
    expect(sizes([1, 2], { kind: 'tensors', value: 2 })).toEqual([[1, 2]]);
  });
  it('keeps parts, empty ones too', () => {
    const partOf = ({ bytes }: GgufTensor): number => (bytes > 8 ? 3 : 1);
    expect(sizes([1, 2, 3, 1], { kind: 'keep', partOf })).toEqual([[], [1, 2, 1], [], [3]]);
  });
  it('rejects impossible limits', () => {
    for (const value of [0, -1, NaN])
      expect(() => sizes([1], { kind: 'bytes', value })).toThrow(
        `The limit of a split must be at least 1, not ${value}.`,
      );
    const many = new Array<number>(65_536).fill(1);
    expect(() => sizes(many, { kind: 'tensors', value: 1 })).toThrow(
      'The split would make 65536 files; choose a larger limit.',
    );
  });
});

describe('files of a split', () => {
  it('are numbered from 1, whatever the name was', () => {
    expect(partName('a/m.gguf', 0, 3)).toBe('a/m-00001-of-00003.gguf');
    expect(partName('a/m-00002-of-00009.gguf', 11, 12)).toBe('a/m-00012-of-00012.gguf');
    expect(partName('m', 0, 1)).toBe('m-00001-of-00001.gguf');
  });

  it('state their numbers, in the order of the program that splits this way', () => {
    const keys = (kind: SplitRule<never>['kind']): string[] =>
      splitKeyValues(1, 3, 20, kind).map(
        (pair) => `${pair.key} ${pair.type} ${'value' in pair && pair.value}`,
      );
    const [no, count, total] = ['split.no u16 1', 'split.count u16 3', 'split.tensors.count i32 20'];
    expect(keys('keep')).toEqual([no, count, total]);
    expect(keys('bytes')).toEqual([no, total, count]);
  });

  it.each([undefined, 32, 256])('read as one model again, with alignment %s', async (alignment) => {
    const folder = temporaryFolder();
    const pairs: KeyValue[] = [
      { key: 'general.architecture', type: 'string', value: 'llama' },
      ...(alignment === undefined
        ? []
        : [{ key: 'general.alignment', type: 'u32', value: alignment } as const]),
    ];
    const tensors = tensorsOf(3, 8, 9, 70, 1, 16, 8);
    const layouts = layOutParts(
      pairs,
      splitTensors(tensors, { kind: 'tensors', value: 2 }),
      'tensors',
      alignment,
    );
    const paths = layouts.map((_, part) => join(folder, partName('m.gguf', part, layouts.length)));
    const fill = ({ name }: GgufTensor): number => 1 + Number(name.slice(1));
    for (const [part, layout] of layouts.entries()) {
      const written = await writeAtomically(paths[part]!, (file) =>
        writeGguf(file, layout, async function* (tensor) {
          yield await Promise.resolve(new Uint8Array(tensor.bytes).fill(fill(tensor)));
        }),
      );
      expect(written).toBe(layout.fileBytes);
    }
    const model = await openModel(paths[2]!);
    expect(model.description.tensors.map(({ name }) => name)).toEqual(tensors.map(({ name }) => name));
    for (const tensor of tensors) {
      const found = await model.read(model.tensor(tensor.name), 0, tensor.bytes);
      expect([...new Set(found)], tensor.name).toEqual([fill(tensor)]);
    }
    await model.close();
  });

  it('are a single file if one is enough', () => {
    const pairs: KeyValue[] = [{ key: 'a', type: 'u32', value: 1 }];
    const [layout, ...others] = layOutParts(pairs, [tensorsOf(1)], 'bytes');
    expect(others).toEqual([]);
    expect(Buffer.from(layout!.header).includes('split.')).toBe(false);
  });
});

describe('parseSplitSize', () => {
  it('counts in decimal megabytes and gigabytes', () => {
    expect(['300M', '2G', '2g'].map(parseSplitSize)).toEqual([3e8, 2e9, 2e9]);
  });
  it.each(['', '300', '0M', '-1G', '1.5G', '2GB', 'M'])('rejects %j', (text) => {
    expect(() => parseSplitSize(text)).toThrow(`"${text}" is not the size of a part; write 300M or 2G.`);
  });
});
