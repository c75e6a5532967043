import { describe, expect, it } from 'vitest';
import type { ByteSource } from '../../../src/model/byteSource';
import { readElements } from '../../../src/model/strides';
import { Random } from '../../support/random';

/** A file in memory that records its reads. */
function source(bytes: Uint8Array): ByteSource & { readonly reads: number[] } {
  const reads: number[] = [];
  const read = (offset: number, length: number): Uint8Array => {
    if (offset < 0 || offset + length > bytes.length) throw new Error(`read outside: ${offset}, ${length}`);
    reads.push(length);
    return bytes.subarray(offset, offset + length);
  };
  return {
    ...{ reads, path: 'memory', size: bytes.length, mtimeMs: 0 },
    read: (offset, length) => Promise.resolve(read(offset, length)),
    readInto: (target, offset) => Promise.resolve(target.set(read(offset, target.length))),
    close: () => Promise.resolve(),
  };
}

/** The elements in their order, one after the other. */
function expected(
  file: Uint8Array,
  offset: number,
  shape: readonly number[],
  strides: readonly number[],
  width: number,
) {
  const count = shape.reduce((product, size) => product * size, 1);
  const out = new Uint8Array(count * width);
  for (let i = 0; i < count; i++) {
    let [rest, at] = [i, 0];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += (rest % shape[axis]!) * strides[axis]!;
      rest = Math.floor(rest / shape[axis]!);
    }
    out.set(file.subarray(offset + at * width, offset + (at + 1) * width), i * width);
  }
  return out;
}

const dtypes = { I8: 1, BF16: 2, F32: 4, F64: 8 } as const;

describe('elements in another order than that of the file', () => {
  const random = new Random(5);
  const whole = (limit: number): number => Math.floor(random.next() * limit);
  const file = Uint8Array.from({ length: 20_000 }, (_, i) => (i * 7919) >>> 3);

  it('are gathered, for any shape, strides, range and alignment', async () => {
    for (let round = 0; round < 2000; round++) {
      const shape = Array.from({ length: 1 + whole(4) }, () => 1 + whole(6));
      const strides = shape.map(() => whole(40));
      const [dtype, width] = Object.entries(dtypes)[whole(4)]!;
      const offset = whole(50);
      const all = expected(file, offset, shape, strides, width);
      const count = all.length / width;
      const first = whole(count);
      const length = 1 + whole(count - first);
      const shift = whole(4);
      const target = new Uint8Array(length * width + 8).subarray(shift, shift + length * width);
      await readElements(source(file), { dtype, shape, strides, offset }, first * width, target);
      expect(target, JSON.stringify({ shape, strides, dtype, offset, first, length })).toEqual(
        all.subarray(first * width, (first + length) * width),
      );
    }
  });

  it('keep every bit, those of NaNs too', async () => {
    const words = Uint32Array.of(0x7f800001, 0xffc12345, 0x7fa00000, 1);
    const target = new Uint8Array(16);
    const tensor = { dtype: 'F32', shape: [2, 2], strides: [1, 2], offset: 0 };
    await readElements(source(new Uint8Array(words.buffer)), tensor, 0, target);
    expect([...new Uint32Array(target.buffer)]).toEqual([words[0], words[2], words[1], words[3]]);
  });

  it('of a large transposed matrix take few reads of bounded size', async () => {
    const [rows, columns] = [1500, 2000];
    const bytes = new Uint8Array(2 * rows * columns);
    new Uint16Array(bytes.buffer).forEach((_, i, all) => (all[i] = i));
    const counted = source(bytes);
    const target = new Uint8Array(bytes.length);
    await readElements(
      counted,
      { dtype: 'BF16', shape: [rows, columns], strides: [1, rows], offset: 0 },
      0,
      target,
    );
    const words = new Uint16Array(target.buffer);
    for (const [row, column] of [
      [0, 0],
      [1, 0],
      [0, 1],
      [1499, 1999],
      [700, 1234],
    ] as const)
      expect(words[row * columns + column]).toBe((column * rows + row) & 0xffff);
    expect(counted.reads.length).toBeLessThan(10);
    expect(Math.max(...counted.reads)).toBeLessThanOrEqual(1 << 20);
  });

  it('that lie far apart are read without what is between them', async () => {
    const counted = source(new Uint8Array(8_000_000));
    const target = new Uint8Array(2 * 40);
    await readElements(
      counted,
      { dtype: 'BF16', shape: [4, 10], strides: [1_000_000, 1], offset: 0 },
      0,
      target,
    );
    expect(counted.reads).toEqual([20, 20, 20, 20]);
  });

  it('cannot be cut inside an element', async () => {
    const tensor = { dtype: 'F32', shape: [2, 2], strides: [1, 2], offset: 0 };
    await expect(readElements(source(file), tensor, 2, new Uint8Array(4))).rejects.toThrow(RangeError);
  });
});
