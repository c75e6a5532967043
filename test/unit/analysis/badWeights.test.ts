import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { badKind } from '../../../src/analysis/badWeights';
import { exportGguf } from '../../../src/exporter/exportGguf';
import { openModel } from '../../../src/layouts/openModel';
import { checkpoints } from '../../support/checkpoints';
import { temporaryFolder } from '../../support/files';
import { writeCheckpoint } from '../../support/writeCheckpoint';
import { writeSafetensors } from '../../../src/exporter/writeSafetensors';

const bytesOf = (...values: number[]): Uint8Array => new Uint8Array(Float64Array.from(values).buffer);

describe('a weight beyond float32', () => {
  it('is named with its value, and an infinite one as infinite', () => {
    const data = bytesOf(1, 1e300, -Infinity);
    expect(badKind({ kind: 'infinite', index: 1 }, 'F64', data)).toBe('1e+300, beyond the range of float32');
    expect(badKind({ kind: 'infinite', index: 2 }, 'F64', data)).toBe('infinite');
    expect(badKind({ kind: 'NaN', index: 0 }, 'F64', data)).toBe('NaN');
    expect(badKind({ kind: 'infinite', index: 0 }, 'F32', data)).toBe('infinite');
  });

  it('stops an export with its value', async () => {
    const folder = join(temporaryFolder(), 'wide');
    await writeCheckpoint(folder, 'llama');
    const shapes = Object.entries(checkpoints['llama']!.shapes);
    const parts = shapes.map(([name, shape]) => {
      const values = new Float64Array(shape.reduce((product, size) => product * size, 1));
      if (name === 'model.layers.1.mlp.down_proj.weight') values[70] = -1e300;
      return { name, dtype: 'F64', shape, data: () => [new Uint8Array(values.buffer)] };
    });
    const file = join(folder, 'whole.safetensors');
    await writeSafetensors(file, parts, {});
    const model = await openModel(file);
    await expect(exportGguf(model, { type: 'Q8_0' }, join(folder, 'out.gguf'))).rejects.toThrow(
      /Weight 70 is -1e\+300, beyond the range of float32; .*model\.layers\.1\.mlp\.down_proj/,
    );
    await model.close();
  });
});
