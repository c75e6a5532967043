import { readdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { JointStore } from '../../../src/engine/evaluation/jointStore';
import { temporaryFolder } from '../../support/files';

/** Divergences of one token: a file of 16 bytes and its digest of 32. */
const tokens = (value: number) => ({
  divergences: Float64Array.of(value),
  sameTop: Float64Array.of(1),
});
const fileBytes = 48;

/** A store with the keys a, b and c, used in this order. */
async function storeOfThree(limit: number): Promise<JointStore> {
  const folder = temporaryFolder();
  const store = new JointStore(folder, limit);
  const seen = new Set<string>();
  for (const [age, key] of ['a', 'b', 'c'].entries()) {
    await store.add(key, tokens(age));
    const name = readdirSync(join(folder, 'joint')).find((file) => !seen.has(file))!;
    utimesSync(join(folder, 'joint', name), 1000 + age, 1000 + age);
    seen.add(name);
  }
  return store;
}
const held = async (store: JointStore): Promise<string[]> => {
  const keys: string[] = [];
  for (const key of ['a', 'b', 'c', 'd']) if (await store.find(key, 1)) keys.push(key);
  return keys;
};

describe('joint measurements', () => {
  it('stay as long as they fit', async () => {
    const store = await storeOfThree(4 * fileBytes);
    await store.add('d', tokens(3));
    expect(await held(store)).toEqual(['a', 'b', 'c', 'd']);
    expect((await store.find('d', 1))!.divergences).toEqual(Float64Array.of(3));
  });

  it('make room by removing those that were not used for longest', async () => {
    const store = await storeOfThree(3 * fileBytes);
    expect(await store.find('a', 1)).toBeDefined(); // used again: b is the oldest now
    await store.add('d', tokens(3));
    expect(await held(store)).toEqual(['a', 'c', 'd']);
  });

  it('keep the latest, whatever it takes', async () => {
    const store = await storeOfThree(1000);
    const large = { divergences: new Float64Array(100), sameTop: new Float64Array(100) };
    await store.add('d', large);
    expect(await held(store)).toEqual([]);
    expect(await store.find('d', 100)).toEqual(large);
  });
});
