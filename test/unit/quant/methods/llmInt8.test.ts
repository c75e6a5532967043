import { describe, expect, it } from 'vitest';
import { loadNative } from '../../../../src/native';
import type { Grid } from '../../../../src/protocol/grids';
import { decodeRows } from '../../../../src/quant/grids/roundToNearest';
import { llmInt8 } from '../../../../src/quant/methods/llmInt8';
import type { MatrixTask } from '../../../../src/quant/methods/method';
import { hasSharedData } from '../../../support/files';
import { inputNamed, readReference } from '../../../support/reference';

const grid: Grid = {
  levels: { kind: 'integer', bits: 8, signed: true, narrow: true },
  group: 'row',
  rule: { kind: 'absmax', divisor: 1 },
  scale: 'F32',
  perScale: 127,
  rounding: { by: 'reciprocal' },
  outliers: true,
};

const largestOf = (inputs: Float32Array, columns: number): Float32Array =>
  inputs.reduce((largest, x, i) => {
    largest[i % columns] = Math.max(largest[i % columns]!, Math.abs(x));
    return largest;
  }, new Float32Array(columns));

describe.runIf(hasSharedData)('LLM.int8 on the vector of bitsandbytes', () => {
  const tensors = hasSharedData
    ? readReference('bitsandbytes', 'vectors', '8bit-llmint8-linear-threshold6.safetensors')
    : new Map<string, never>();

  it('keeps the columns whose inputs reach the threshold, and rounds the others to the library’s codes', async () => {
    const { values, shape } = await inputNamed('w64x128.heavy');
    const [rows, columns] = shape;
    const inputs = await tensors.get('X')!.floats();
    const task: MatrixTask = { grid, shape, evidence: { largest: largestOf(inputs, columns) }, options: {} };
    const found = await (await llmInt8.open(task)).quantize(values.slice());
    const outliers = [...new BigInt64Array(tensors.get('outlier_cols')!.bytes.buffer)].map(Number);
    expect([...found.outliers!.columns]).toEqual(outliers);

    // The library keeps codes for all columns, with scales that those of outliers count for; the others have the same scale unless the
    // largest weight of a row is in one of them.
    const [codes, scb] = [new Int8Array(tensors.get('CB')!.bytes.buffer), await tensors.get('SCB')!.floats()];
    let same = 0;
    for (let row = 0; row < rows; row++) {
      expect(found.scales[row]!).toBeLessThanOrEqual(scb[row]!);
      if (found.scales[row] !== scb[row]) continue;
      same += 1;
      for (let c = 0; c < columns; c++)
        if (!outliers.includes(c))
          expect((found.codes[row * columns + c]! << 24) >> 24).toBe(codes[row * columns + c]);
    }
    expect(same).toBeGreaterThan(20);
    outliers.forEach((column) => expect(found.codes[column]).toBe(0));
  });

  it('gives outputs nearer to the original’s than the same rounding without outliers', async () => {
    const { values, shape } = await inputNamed('w64x128.heavy');
    const columns = shape[1];
    const inputs = await tensors.get('X')!.floats();
    const largest = largestOf(inputs, columns);
    const errorAt = async (threshold: number): Promise<number> => {
      const task: MatrixTask = { grid, shape, evidence: { largest }, options: { threshold } };
      const others = await decodeRows(await (await llmInt8.open(task)).quantize(values.slice()));
      const errors = await loadNative().outputErrors({ weights: values, others }, inputs, columns, columns);
      return errors.reduce((sum, error) => sum + error, 0);
    };
    expect(await errorAt(6)).toBeLessThan(0.5 * (await errorAt(1e6)));
  });
});

describe('LLM.int8', () => {
  const values = Float32Array.of(0.1, 0.3, 1 / 3, -0.25, 0.5, 1 / 7);

  it('keeps outlier columns as half precision holds them', async () => {
    const task: MatrixTask = {
      grid,
      shape: [2, 3],
      evidence: { largest: Float32Array.of(1, 2, 6) },
      options: {},
    };
    const found = await (await llmInt8.open(task)).quantize(values.slice());
    const halves = loadNative().storedScales('F16', Float32Array.of(1 / 3, 1 / 7));
    expect(found.outliers).toEqual({ columns: Int32Array.of(2), values: halves });
    const decoded = await decodeRows(found);
    expect([decoded[2], decoded[5]]).toEqual([...halves]);
    expect(Math.abs(decoded[4]! - 0.5)).toBeLessThan(1e-3);
  });

  it('is refused without measured inputs, naming the matrix, and for grids without outliers', async () => {
    const task: MatrixTask = { name: 'q_proj', grid, shape: [2, 3], evidence: {}, options: {} };
    await expect(llmInt8.open(task)).rejects.toThrow(
      'largest magnitudes of the inputs of q_proj: calibrate on a text first',
    );
    expect(
      llmInt8.refuse({ ...task, grid: { levels: grid.levels, group: 'row', rule: grid.rule, scale: 'F32' } }),
    ).toContain('half precision');
    expect(llmInt8.refuse(task)).toBeUndefined();
  });

  it('names the first weight that half precision cannot hold', async () => {
    const task: MatrixTask = { grid, shape: [1, 3], evidence: { largest: new Float32Array(3) }, options: {} };
    const quantizer = await llmInt8.open(task);
    await expect(quantizer.quantize(Float32Array.of(1, 1e6, 2))).rejects.toThrow('weight 1');
  });
});
