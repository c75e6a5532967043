import { availableParallelism } from 'node:os';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { requestThreads, withThreads } from '../../../src/graph/threads';
import { loadNative } from '../../../src/native';

/** The sizes that the addon's pool was given, in their order. */
const sizes: number[] = [];

beforeEach(() => {
  sizes.length = 0;
  vi.stubEnv('QUANTSCOPE_THREADS', undefined);
  vi.spyOn(loadNative(), 'setThreads').mockImplementation((threads) => void sizes.push(threads));
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

/** A request that ends when it is told to. */
function request(threads: number | undefined) {
  let end = (): void => undefined;
  const gate = new Promise<void>((resolve) => (end = resolve));
  const seen: (number | undefined)[] = [];
  const done = withThreads(threads, async () => {
    seen.push(requestThreads());
    await gate;
    seen.push(requestThreads());
  });
  return { end: async () => (end(), done), seen };
}

describe('withThreads', () => {
  const cores = availableParallelism();

  it('changes nothing for later requests', async () => {
    const first = request(3);
    expect(sizes).toEqual([3]);
    await first.end();
    expect(sizes).toEqual([3, cores]);
    expect(requestThreads()).toBeUndefined();
  });

  it('gives each of several requests its own number, and the pool has the largest', async () => {
    const [one, five, two] = [request(1), request(5), request(2)];
    expect(sizes).toEqual([1, 5, 5]);
    await five.end();
    expect(sizes.at(-1)).toBe(2);
    await one.end();
    await two.end();
    expect(sizes.at(-1)).toBe(cores);
    expect([one, five, two].map(({ seen }) => seen)).toEqual([
      [1, 1],
      [5, 5],
      [2, 2],
    ]);
  });

  it('restores the pool after an error', async () => {
    await expect(withThreads(3, () => Promise.reject(new Error('stop')))).rejects.toThrow('stop');
    expect(sizes).toEqual([3, cores]);
  });

  it('uses the default of the environment', async () => {
    vi.stubEnv('QUANTSCOPE_THREADS', '7');
    const plain = request(undefined);
    expect(plain.seen).toEqual([7]);
    await plain.end();
    await withThreads(2, () => Promise.resolve());
    expect(sizes).toEqual([7, 7, 2, 7]);
  });
});
