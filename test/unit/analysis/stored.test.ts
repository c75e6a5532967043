import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { analyseStored } from '../../../src/analysis/stored';
import { openModel } from '../../../src/layouts/openModel';
import type { CodeAnalysis } from '../../../src/protocol/analysis';
import { hasSharedData, safetensorsBytes, sharedData, temporaryFolder, writeFile } from '../../support/files';

const [rows, columns] = [3, 4];

/** An 8-bit layer of compressed-tensors with two groups a row and zero points. */
function int8Layer(): string {
  const folder = temporaryFolder();
  const codes = Int8Array.of(-128, 1, 127, 127, 0, 0, 0, 0, 5, -128, 5, 2);
  const scales = Float32Array.of(0.5, 1, 2, 4, 8, 16);
  const zeros = Int8Array.of(1, 2, 3, 4, 5, 6);
  const header = {
    'layer.weight': { dtype: 'I8', shape: [rows, columns], data_offsets: [0, 12] },
    'layer.weight_scale': { dtype: 'F32', shape: [rows, 2], data_offsets: [12, 36] },
    'layer.weight_zero_point': { dtype: 'I8', shape: [rows, 2], data_offsets: [36, 42] },
  };
  const data = [codes, scales, zeros].map(({ buffer }) => Buffer.from(buffer));
  writeFile(folder, 'model.safetensors', Buffer.concat([safetensorsBytes(header, 0), ...data]));
  return folder;
}

async function analysed(folder: string, name: string) {
  const model = await openModel(folder);
  try {
    return await analyseStored(model, model.tensor(name));
  } finally {
    await model.close();
  }
}

/** How many weights each level has that any has. */
const present = ({ levels, counts }: CodeAnalysis): (readonly [number, number])[] =>
  levels.flatMap((level, i) => (counts[i]! > 0 ? [[level, counts[i]!] as const] : []));

describe('a weight of a quantized checkpoint', () => {
  it('has counted codes, and maps of its scales and zero points', async () => {
    const { bitsPerWeight, parts, codes } = await analysed(int8Layer(), 'layer.weight');
    expect(bitsPerWeight).toBe((8 * (12 + 24 + 6)) / 12);
    expect(parts.map(({ role, bytes }) => [role, bytes])).toEqual([
      ['codes', 12],
      ['scales', 24],
      ['zeros', 6],
    ]);
    expect(codes!.levels).toHaveLength(256);
    expect(present(codes!)).toEqual([
      [-128, 2],
      [0, 4],
      [1, 1],
      [2, 1],
      [5, 2],
      [127, 2],
    ]);
    expect(codes!.saturated).toEqual({ lowest: 2, highest: 2 });
    expect(codes!.saturation.values).toEqual([0.75, 0, 0.25]);
    expect(codes!.saturation.worst).toEqual([
      { row: 0, share: 0.75 },
      { row: 2, share: 0.25 },
      { row: 1, share: 0 },
    ]);
    const size = { rows, groups: 2, cellRows: 1, cellGroups: 1, mapRows: rows, mapGroups: 2 };
    expect(codes!.scales).toEqual({ ...size, values: [0.5, 1, 2, 4, 8, 16], min: 0.5, max: 16 });
    expect(codes!.zeros).toEqual({ ...size, values: [1, 2, 3, 4, 5, 6], min: 1, max: 6 });
  });

  it('is the only kind that is looked into', async () => {
    const folder = temporaryFolder();
    const header = { plain: { dtype: 'F32', shape: [1], data_offsets: [0, 4] } };
    writeFile(folder, 'model.safetensors', safetensorsBytes(header, 4));
    await expect(analysed(folder, 'plain')).rejects.toMatchObject({
      code: 'REQUEST',
      place: { tensor: 'plain' },
    });
  });
});

const reference = join(sharedData, 'reference');
const folders = hasSharedData
  ? readdirSync(reference, { recursive: true, encoding: 'utf8' })
      .filter((name) => /folders.[^/\\]+$/.test(name))
      .sort()
  : [];

describe.skipIf(!hasSharedData)('checkpoints of quantizing libraries', () => {
  it.each(folders)('%s: codes and scales give the decoded weights', async (name) => {
    const model = await openModel(join(reference, name));
    const stored = model.description.tensors.filter((tensor) => tensor.stored);
    expect(stored.length).toBeGreaterThan(0);
    for (const tensor of stored.slice(0, 3)) {
      const { codes } = await analyseStored(model, tensor);
      expect(codes!.counts.reduce((sum, count) => sum + count, 0)).toBe(tensor.elements);
      const columns = tensor.shape.at(-1)!;
      const levels = new Float32Array(columns);
      const { scales, zeros, count, ofColumn } = await model.codes(tensor)!.read({ row: 0, rows: 1 }, levels);
      const weights = new Float32Array(columns);
      await model.readInto(tensor, 0, new Uint8Array(weights.buffer));
      for (let column = 0; column < columns; column++) {
        const group = ofColumn ? ofColumn[column]! : Math.floor((column * count) / columns);
        const value = (levels[column]! - (zeros?.[group] ?? 0)) * scales[group]!;
        // Decoded weights are rounded to the dtype that the library computes in.
        expect(Math.abs(weights[column]! - value)).toBeLessThanOrEqual(2 ** -7 * Math.abs(value));
      }
    }
    await model.close();
  });

  it('show what the README of a GPTQ checkpoint says', async () => {
    const folder = join(reference, 'gptqmodel/folders/gptq-4bit-g128-sym');
    const model = await openModel(folder);
    const tensor = model.description.tensors.find(({ stored }) => stored)!;
    const { codes } = await analyseStored(model, tensor);
    await model.close();
    const [out, inputs] = tensor.shape as [number, number];
    expect(codes!.levels).toEqual(Array.from({ length: 16 }, (_, i) => i));
    expect(codes!.scales).toMatchObject({ rows: out, groups: Math.ceil(inputs / 128) });
    // Symmetric: every zero point is the middle of the codes.
    expect([codes!.zeros!.min, codes!.zeros!.max]).toEqual([8, 8]);
  });
});
