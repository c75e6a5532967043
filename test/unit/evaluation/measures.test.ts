import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { measureGeneration, peakMemory, resetPeakMemory } from '../../../src/evaluation/measures';
import type { Decoder } from '../../../src/graph/transformer/decoder';
import { openDecoder } from '../../../src/graph/transformer/openDecoder';
import { openModel } from '../../../src/layouts/openModel';
import type { Model } from '../../../src/model/model';
import { loadNative } from '../../../src/native';
import { temporaryFolder } from '../../support/files';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();
const window = Int32Array.from({ length: 24 }, (_, i) => (i * 37) % 1024);
let model: Model;
let decoder: Decoder;

beforeAll(async () => {
  await writeCheckpoint(join(folder, 'mixtral'), 'mixtral');
  model = await openModel(join(folder, 'mixtral'));
  decoder = await openDecoder(model, { device: 'ort-cpu', length: window.length, keep: true });
});
afterAll(async () => {
  await decoder.close();
  await model.close();
});

describe('speed of generation', () => {
  it('counts the weights that a token goes through, and the keys and values of the window', async () => {
    const found = await measureGeneration(decoder, window);
    const experts = 2 * 3 * 64 * 96; // two of four are chosen
    const block = 2 * 64 * 64 + 2 * 32 * 64 + 2 * 64 + 4 * 64 + experts;
    const cache = 2 * 2 * 16 * window.length; // keys and values of two heads of 16
    const bytes = 4 * (2 * (block + cache) + 1024 * 64);
    expect((found.bytesPerSecond! * found.nextTokenMs!) / 1000 / bytes).toBeCloseTo(1, 9);
    expect(found.firstTokenMs).toBeGreaterThan(0);
    expect(found.nextTokenMs).toBeGreaterThan(0);
    expect(found.copyBytesPerSecond).toBeGreaterThan(1e7);
  });

  it('is not measured when the run is cancelled', async () => {
    await expect(measureGeneration(decoder, window, AbortSignal.abort())).rejects.toMatchObject({
      code: 'CANCELLED',
    });
  });
});

describe('peak memory', () => {
  const mebibyte = 1024 * 1024;
  /** Takes twice as much memory, and gives it back to the system. */
  const use = (mebibytes: number): Promise<number> => loadNative().copyBandwidth(mebibytes * mebibyte);

  it('grows with what is used, and stays when that is given back', async () => {
    resetPeakMemory();
    const before = peakMemory();
    await use(150);
    expect(peakMemory() - before).toBeGreaterThan(290 * mebibyte);
    expect(peakMemory() - before).toBeLessThan(600 * mebibyte);
  });

  it.skipIf(process.platform !== 'linux')('is that since the reset, where the system can', async () => {
    await use(150);
    const most = peakMemory();
    resetPeakMemory();
    expect(most - peakMemory()).toBeGreaterThan(250 * mebibyte);
  });
});
