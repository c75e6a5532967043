import { describe, expect, it } from 'vitest';
import { readRegion, type RegionOptions } from '../../../src/analysis/region';
import { TensorReader } from '../../../src/analysis/tensorReader';
import { openModel } from '../../../src/layouts/openModel';
import type { TensorRegion } from '../../../src/protocol/analysis';
import { formatById } from '../../../src/quant/catalogue';
import { safetensorsBytes, temporaryFolder, writeFile } from '../../support/files';
import { GgufBytes } from '../../support/ggufBytes';
import { Random } from '../../support/random';
import { encodeIn } from '../../../src/quant/codec';

const folder = temporaryFolder();

function f32Model(name: string, rows: number, columns: number, values: Float32Array): string {
  const entry = { dtype: 'F32', shape: [rows, columns], data_offsets: [0, values.byteLength] };
  const header = safetensorsBytes({ w: entry }, 0);
  return writeFile(folder, name, Buffer.concat([header, Buffer.from(values.buffer)]));
}

async function regionOf(path: string, region: TensorRegion, options: RegionOptions = {}) {
  const model = await openModel(path);
  try {
    return await readRegion(model, model.tensor('w'), region, options);
  } finally {
    await model.close();
  }
}

describe('a region of a tensor', () => {
  const values = new Random(11).fill(300 * 500, (random) => random.normal());
  values[210 * 500 + 33] = NaN;
  const path = f32Model('region.safetensors', 300, 500, values);
  const at = (row: number, column: number): number => values[row * 500 + column]!;

  it('is given weight by weight where it is small', async () => {
    const map = await regionOf(path, { firstRow: 208, firstColumn: 30, rows: 3, columns: 5 });
    expect(map).toMatchObject({ cellRows: 1, cellColumns: 1, mapRows: 3, mapColumns: 5 });
    const expected = [208, 209, 210].flatMap((row) => [30, 31, 32, 33, 34].map((column) => at(row, column)));
    expect(map.values).toEqual(expected);
    expect(map.values[13]).toBeNaN();
  });

  it('is given as the largest of each cell where it is large', async () => {
    const map = await regionOf(path, { firstRow: 10, firstColumn: 0, rows: 290, columns: 500 });
    expect(map).toMatchObject({ cellRows: 3, cellColumns: 4, mapRows: 97, mapColumns: 125 });
    const cell = (row: number, column: number): number => {
      let largest = 0;
      for (let r = 10 + 3 * row; r < Math.min(300, 13 + 3 * row); r++)
        for (let c = 4 * column; c < 4 * column + 4; c++)
          if (Math.abs(at(r, c)) > largest) largest = Math.abs(at(r, c));
      return largest;
    };
    const expected = Array.from({ length: 97 * 125 }, (_, i) => cell(Math.floor(i / 125), i % 125));
    expect(map.values).toEqual(expected);
  });

  it('is given in cells of a size that is asked for, also where rows are read in parts', async () => {
    const cell = { rows: 2, columns: 16 };
    const narrow = { firstRow: 6, firstColumn: 32, rows: 7, columns: 40 };
    const map = await regionOf(path, narrow, { cell });
    expect(map).toMatchObject({ cellRows: 2, cellColumns: 16, mapRows: 4, mapColumns: 3 });
    const whole = await regionOf(path, { firstRow: 6, firstColumn: 0, rows: 7, columns: 500 }, { cell });
    for (let row = 0; row < 4; row++)
      expect(map.values.slice(3 * row, 3 * row + 2)).toEqual(whole.values.slice(32 * row + 2, 32 * row + 4));
    let largest = 0;
    for (let c = 64; c < 72; c++) largest = Math.max(largest, Math.abs(at(12, c)));
    expect(map.values.at(-1)).toBe(largest); // the cell at the end is smaller in both directions
  });

  it.each([
    { rows: 0, columns: 1 },
    { rows: 1, columns: 0.5 },
  ])('takes no cells of %j', async (cell) => {
    const region = { firstRow: 0, firstColumn: 0, rows: 10, columns: 10 };
    await expect(regionOf(path, region, { cell })).rejects.toThrow(/A map has at most 262144 cells/);
  });

  it('begins and ends inside blocks of a quantized tensor', async () => {
    const rows = 4;
    const columns = 96;
    const source = new Random(5).fill(rows * columns, (random) => random.normal());
    const { codes } = await encodeIn(formatById('Q4_0'), source, columns, { min: -5, max: 5 });
    const header = new GgufBytes().start(3, 1, 0).tensor('w', [columns, rows], 2, 0).data(0);
    const gguf = writeFile(folder, 'q4.gguf', Buffer.concat([header, Buffer.from(codes)]));
    const model = await openModel(gguf);
    const decoded: number[] = [];
    for await (const slab of new TensorReader(model, model.tensor('w')).values())
      decoded.push(...slab.values);
    await model.close();
    const { values: found } = await regionOf(gguf, { firstRow: 1, firstColumn: 20, rows: 2, columns: 30 });
    const expected = [1, 2].flatMap((row) => decoded.slice(row * columns + 20, row * columns + 50));
    expect(found).toEqual(expected);
  });

  it.each([
    { firstRow: 299, firstColumn: 0, rows: 2, columns: 1 },
    { firstRow: 0, firstColumn: 499, rows: 1, columns: 2 },
    { firstRow: -1, firstColumn: 0, rows: 1, columns: 1 },
    { firstRow: 0, firstColumn: 0, rows: 0, columns: 1 },
    { firstRow: 0.5, firstColumn: 0, rows: 1, columns: 1 },
  ])('cannot leave the tensor: %j', async (region) => {
    await expect(regionOf(path, region)).rejects.toThrow(/The tensor of 300 × 500 has no .*tensor "w"/);
  });
});
