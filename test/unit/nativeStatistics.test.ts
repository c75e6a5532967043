import { describe, expect, it } from 'vitest';
import { loadNative } from '../../src/native';

const native = loadNative();

describe('copy bandwidth', () => {
  it('is a plausible speed of memory', async () => {
    const perSecond = await native.copyBandwidth(8 << 20);
    expect(perSecond).toBeGreaterThan(1e7);
    expect(perSecond).toBeLessThan(1e14);
  });

  it.each([0, 1000, 2 ** 52])('is not measured with %i bytes', async (bytes) => {
    const message = `copy bandwidth cannot be measured with ${bytes} bytes`;
    await expect(native.copyBandwidth(bytes)).rejects.toThrow(message);
  });

  it.each([-5, 0.5, NaN])('is not measured with %d bytes', async (bytes) => {
    await expect(native.copyBandwidth(bytes)).rejects.toThrow('bytes is not a count');
  });
});
