import { readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { RefinementStore } from '../../../src/engine/refinement/refinementStore';
import type { Training } from '../../../src/refinement/training';
import { temporaryFolder } from '../../support/files';

const folder = join(temporaryFolder(), 'run');
/** Its numbers are of no concern here. */
const training = {
  save: (file: string) => Promise.resolve(writeFileSync(file, '')),
} as unknown as Training;

it('keeps the latest and the best state of a run, also of one that starts again from the beginning', async () => {
  const store = new RefinementStore(folder);
  const keep = async (divergences: readonly number[], isBest: boolean): Promise<string[]> => {
    const points = divergences.map((divergence, step) => ({ step, divergence }));
    await store.keep(training, { step: divergences.length - 1, points }, isBest);
    return readdirSync(folder).sort();
  };
  expect(await keep([0.2], true)).toEqual(['best-0', 'progress.json', 'state-0']);
  expect(await keep([0.2, 0.3], false)).toEqual(['best-0', 'progress.json', 'state-1']);
  expect(await keep([0.2], true)).toEqual(['best-0', 'progress.json', 'state-0']);
  expect(await keep([0.2, 0.1], true)).toEqual(['best-1', 'progress.json', 'state-1']);
});

it('removes what was used least recently where all runs take too much, but no run that is going on', async () => {
  const root = temporaryFolder();
  const large = { save: (file: string) => Promise.resolve(writeFileSync(file, Buffer.alloc(1000))) };
  const keep = async (name: string, usedAt: number, limit = 1e9): Promise<RefinementStore> => {
    const store = new RefinementStore(join(root, name), limit);
    await store.keep(large as unknown as Training, { step: 0, points: [{ step: 0, divergence: 1 }] }, true);
    utimesSync(join(root, name, 'progress.json'), usedAt, usedAt);
    return store;
  };
  const running = await keep('running', 1);
  const unlock = await running.lock();
  await keep('old', 2);
  writeFileSync(join(root, 'old', 'of-others'), '');
  await keep('recent', 3);
  await keep('new', 4, 7000);
  expect(readdirSync(root).sort()).toEqual(['new', 'old', 'recent', 'running']);
  expect(readdirSync(join(root, 'old'))).toEqual(['of-others']);
  await unlock();
  await keep('newest', 5, 5000);
  expect(readdirSync(root).sort()).toEqual(['new', 'newest', 'old']);
});
