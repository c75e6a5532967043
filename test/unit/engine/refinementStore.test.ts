import { readdirSync, writeFileSync } from 'node:fs';
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
