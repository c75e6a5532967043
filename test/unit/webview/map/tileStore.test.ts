import { describe, expect, it, vi } from 'vitest';
import type { RegionMap } from '../../../../src/protocol/analysis';
import type { Tile } from '../../../../webview/map/tiles';
import { TileStore } from '../../../../webview/map/tileStore';

const tile = (n: number): Tile => ({
  key: `${n}`,
  cell: { rows: 1, columns: 1 },
  region: { firstRow: n, firstColumn: 0, rows: 1, columns: 1 },
});
const tiles = (...numbers: number[]): Tile[] => numbers.map(tile);

/** A store whose requests are answered by hand. */
function open() {
  const asked: {
    key: string;
    signal: AbortSignal;
    answer: (value: number) => void;
    fail: (text: string) => void;
  }[] = [];
  const changed = vi.fn();
  const store = new TileStore(
    ({ key, region }, signal) =>
      new Promise<RegionMap>((resolve, reject) =>
        asked.push({
          ...{ key, signal },
          answer: (value) =>
            resolve({ ...region, cellRows: 1, cellColumns: 1, mapRows: 1, mapColumns: 1, values: [value] }),
          fail: (text) => reject(new Error(text)),
        }),
      ),
    changed,
  );
  return { store, asked, changed, keys: () => asked.map(({ key }) => key) };
}

const settled = () => new Promise((resolve) => setTimeout(resolve));

describe('tiles of a map', () => {
  it('are asked for a few at a time, in the order in which they are wanted, and once', async () => {
    const { store, asked, changed, keys } = open();
    store.want(tiles(4, 1, 3, 2));
    expect(keys()).toEqual(['4', '1', '3']);
    asked[0]!.answer(7);
    await settled();
    expect(keys()).toEqual(['4', '1', '3', '2']);
    expect(changed).toHaveBeenCalledTimes(1);
    expect([...store.find(tile(4))!.values]).toEqual([7]);
    store.want(tiles(4, 1, 3, 2));
    expect(asked).toHaveLength(4);
  });

  it('that are out of sight are cancelled, and their answers dropped', async () => {
    const { store, asked, changed, keys } = open();
    store.want(tiles(1, 2, 3));
    store.want(tiles(3, 9));
    expect(asked.map(({ signal }) => signal.aborted)).toEqual([true, true, false, false]);
    expect(keys()).toEqual(['1', '2', '3', '9']);
    asked[0]!.answer(5);
    asked[1]!.fail('cancelled');
    await settled();
    expect([store.find(tile(1)), store.failure, changed.mock.calls.length]).toEqual([
      undefined,
      undefined,
      0,
    ]);
  });

  it('stop at a failure until they are asked for again', async () => {
    const { store, asked, keys } = open();
    store.want(tiles(1, 2, 3, 4));
    asked[0]!.fail('The file has ended.');
    await settled();
    expect(store.failure).toBe('The file has ended.');
    asked[1]!.answer(1);
    await settled();
    expect(keys()).toEqual(['1', '2', '3']);
    store.retry();
    expect(keys().slice(3)).toEqual(['1', '4']);
  });

  it('are kept up to a number, the latest used longest', async () => {
    const { store, asked } = open();
    for (let n = 0; n < 192; n++) {
      store.want(tiles(n));
      asked.at(-1)!.answer(n);
      await settled();
    }
    store.find(tile(0));
    store.want(tiles(1000));
    asked.at(-1)!.answer(1000);
    await settled();
    expect(store.find(tile(0))).toBeDefined();
    expect(store.find(tile(1))).toBeUndefined();
    store.close();
    expect(store.find(tile(1000))).toBeUndefined();
  });
});
