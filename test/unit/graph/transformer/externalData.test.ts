import { mkdirSync, readdirSync, renameSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ElementType } from '../../../../src/graph/elementTypes';
import { GraphBuilder, type ExternalData } from '../../../../src/graph/onnxWriter';
import { createSession, floatsOf, loadRuntime } from '../../../../src/graph/session';
import type { Decoder } from '../../../../src/graph/transformer/decoder';
import type { Placement } from '../../../../src/graph/transformer/graphLoader';
import { openDecoder } from '../../../../src/graph/transformer/openDecoder';
import { openModel } from '../../../../src/layouts/openModel';
import { temporaryFolder, writeFile } from '../../../support/files';
import { writeCheckpoint } from '../../../support/writeCheckpoint';

const folder = temporaryFolder();

/** x + a tensor that lies in a file. */
async function addedTo(x: readonly number[], type: ElementType, data: ExternalData): Promise<number[]> {
  const graph = new GraphBuilder('external');
  const stored = graph.external('stored', type, [2, 2], data);
  const floats = type === 'F32' ? stored : graph.node('Cast', [stored], { to: 1 });
  graph.output('y', graph.node('Add', [graph.input('x', [2, 2]), floats]), [2, 2]);
  const session = await createSession('ort-cpu', graph.finish(), folder);
  const { Tensor } = loadRuntime();
  const { y } = await session.run({ x: new Tensor('float32', Float32Array.from(x), [2, 2]) });
  await session.release();
  return [...floatsOf(y)];
}

describe('values that ONNX Runtime reads from a file', () => {
  const values = [1, -2, 0.5, 96];
  const bytes: Readonly<Record<'F32' | 'F16' | 'BF16', Uint8Array>> = {
    F32: new Uint8Array(Float32Array.from(values).buffer),
    F16: new Uint8Array(Uint16Array.of(0x3c00, 0xc000, 0x3800, 0x5600).buffer),
    BF16: new Uint8Array(Uint16Array.of(0x3f80, 0xc000, 0x3f00, 0x42c0).buffer),
  };

  it.each(['F32', 'F16', 'BF16'] as const)('are those at the offset, as %s', async (type) => {
    // Offsets in checkpoints are multiples of nothing but the dtype's size.
    const before = Buffer.alloc(6, 0xff);
    writeFile(folder, `${type}.bin`, Buffer.concat([before, bytes[type], before]));
    const data = { file: `${type}.bin`, offset: 6, bytes: bytes[type].length };
    expect(await addedTo([10, 20, 30, 40], type, data)).toEqual([11, 18, 30.5, 136]);
  });

  it('must be there', async () => {
    await expect(addedTo(values, 'F32', { file: 'absent.bin', offset: 0, bytes: 16 })).rejects.toMatchObject({
      code: 'DEVICE',
    });
    writeFile(folder, 'short.bin', bytes.F32);
    await expect(addedTo(values, 'F32', { file: 'short.bin', offset: 8, bytes: 16 })).rejects.toMatchObject({
      code: 'DEVICE',
    });
  });
});

async function statesOf(path: string, placement: Placement): Promise<Float32Array> {
  const model = await openModel(path);
  const decoder: Decoder = await openDecoder(model, { device: 'ort-cpu', length: 8, keep: false, placement });
  const states = await decoder.embed(Int32Array.of(1, 2, 3, 4, 5, 6, 7, 8));
  await decoder.advance(states);
  await decoder.close();
  await model.close();
  return states;
}

describe('weights that stay in a checkpoint’s own files', () => {
  it('are found behind links, as caches of downloads lay them out, also where links lead to several folders', async () => {
    const [plain, linked] = [join(folder, 'plain'), join(folder, 'linked')];
    await writeCheckpoint(plain, 'llama'); // of two shards
    await writeCheckpoint(linked, 'llama');
    for (const [i, name] of readdirSync(linked).entries()) {
      const blobs = join(folder, `blobs${i % 2}`);
      mkdirSync(blobs, { recursive: true });
      renameSync(join(linked, name), join(blobs, `blob${i}`));
      symlinkSync(join(blobs, `blob${i}`), join(linked, name));
    }
    const expected = await statesOf(plain, 'fed');
    expect(Math.max(...expected.map(Math.abs))).toBeGreaterThan(0.5);
    for (const path of [plain, linked]) {
      const found = await statesOf(path, 'held');
      const difference = found.map((value, i) => Math.abs(value - expected[i]!));
      expect(Math.max(...difference), path).toBeLessThan(1e-5);
    }
  });
});
