import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeSafetensors } from '../../../src/exporter/writeSafetensors';
import { openModel } from '../../../src/layouts/openModel';
import { temporaryFolder } from '../../support/files';

const folder = temporaryFolder();

describe('writeSafetensors', () => {
  it('writes what the reader reads, with data at a multiple of 8', async () => {
    const out = join(folder, 'a.safetensors');
    const bytes = await writeSafetensors(
      out,
      [
        { name: '7', dtype: 'U8', shape: [3], data: () => [Uint8Array.of(1, 2), Uint8Array.of(3)] },
        {
          name: 'a.scale',
          dtype: 'F32',
          shape: [1, 2],
          data: () => [new Uint8Array(Float32Array.of(0.5, -2).buffer)],
        },
      ],
      { format: 'absmax-int8' },
    );
    const file = readFileSync(out);
    expect(file.length).toBe(bytes);
    expect((8 + Number(file.readBigUInt64LE(0))) % 8).toBe(0);
    const model = await openModel(out);
    const { tensors, metadata } = model.description;
    expect(tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape }))).toEqual([
      { name: '7', dtype: 'U8', shape: [3] },
      { name: 'a.scale', dtype: 'F32', shape: [1, 2] },
    ]);
    expect(metadata).toMatchObject([{ key: 'format', text: 'absmax-int8' }]);
    expect([...(await model.read(model.tensor('7'), 0, 3))]).toEqual([1, 2, 3]);
    const scale = await model.read(model.tensor('a.scale'), 0, 8);
    expect([...new Float32Array(scale.slice().buffer)]).toEqual([0.5, -2]);
    await model.close();
  });

  it('leaves no file when a tensor yields too few bytes', async () => {
    const out = join(folder, 'short.safetensors');
    const tensor = { name: 'a', dtype: 'F32', shape: [2], data: () => [new Uint8Array(7)] };
    await expect(writeSafetensors(out, [tensor], {})).rejects.toThrow('7 bytes were written');
    expect(existsSync(out)).toBe(false);
  });

  it('rejects two tensors of one name', async () => {
    const tensor = { name: 'a', dtype: 'U8', shape: [0], data: () => [] };
    await expect(writeSafetensors(join(folder, 'b.safetensors'), [tensor, tensor], {})).rejects.toMatchObject(
      {
        code: 'REQUEST',
      },
    );
  });

  it('stops when cancelled, leaving no file', async () => {
    const out = join(folder, 'cancelled.safetensors');
    const stop = new AbortController();
    const tensor = {
      name: 'a',
      dtype: 'U8',
      shape: [2],
      *data() {
        yield Uint8Array.of(1);
        stop.abort();
        yield Uint8Array.of(2);
      },
    };
    await expect(writeSafetensors(out, [tensor], {}, { signal: stop.signal })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    expect(existsSync(out)).toBe(false);
  });
});
