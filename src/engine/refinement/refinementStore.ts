import { readdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeAtomically } from '../../files/atomicFile';
import { trimFolders } from '../../files/leastRecentlyUsed';
import { lockFolder } from '../../files/lockFolder';
import { makeFolder } from '../../files/makeFolder';
import { isRecord } from '../../model/json';
import { seal, unseal } from '../../model/sealedJson';
import type { RefinementProgress } from '../../refinement/refine';
import { bestPoint } from '../../protocol/refinement';
import type { Training } from '../../refinement/training';

/** Disk space for runs that were stopped, of all files and settings; what was used least recently is removed first (bytes). */
const maxBytes = 128 * 1024 ** 3;

/**
 * A refinement that can be continued: `progress.json`, and the numbers that it names: `state-STEP`, and `best-STEP` of the best state so far.
 * Progress is written last, so that a killed run leaves an earlier state whole.
 */
export class RefinementStore {
  constructor(
    readonly folder: string,
    private readonly limit = maxBytes,
  ) {}

  /** How far an earlier run came; undefined where there is none or it is damaged. */
  async progress(): Promise<RefinementProgress | undefined> {
    const line = await readFile(this.file('progress.json'), 'utf8').catch(() => undefined);
    const found = line === undefined ? undefined : unseal(line);
    return isRecord(found) ? (found as unknown as RefinementProgress) : undefined;
  }

  /**
   * Keeps other processes from the same refinement.
   * @returns ends that.
   * @throws QuantscopeError REQUEST where one is at it.
   */
  lock(): Promise<() => Promise<void>> {
    return lockFolder(this.folder, 'A refinement of this file with these settings');
  }

  /**
   * Puts the state of an earlier run back. @returns its progress, or undefined where its numbers, or those of its best state, are damaged or
   * missing.
   */
  async restore(training: Training): Promise<RefinementProgress | undefined> {
    const progress = await this.progress();
    if (!progress || !(await training.isWhole(this.best(bestPoint(progress.points)!.step), 'values')))
      return undefined;
    return (await training.load(this.state(progress.step), 'all')) ? progress : undefined;
  }

  /** Keeps what a run has reached, and removes what is no longer needed. */
  async keep(training: Training, progress: RefinementProgress, isBest: boolean): Promise<void> {
    const earlier = await this.progress();
    await makeFolder(this.folder);
    await training.save(this.state(progress.step), 'all');
    if (isBest) await training.save(this.best(progress.step), 'values');
    await writeAtomically(this.file('progress.json'), (target) => target.write(Buffer.from(seal(progress))));
    if (earlier && earlier.step !== progress.step) {
      await rm(this.state(earlier.step), { force: true });
      const earlierBest = bestPoint(earlier.points)!.step;
      if (isBest && earlierBest !== progress.step) await rm(this.best(earlierBest), { force: true });
    }
    await this.trim();
  }

  /** Removes what other runs have kept where all take too much; those that are running stay. */
  private async trim(): Promise<void> {
    const root = dirname(this.folder);
    const folders = (await readdir(root)).map((name) => join(root, name));
    await trimFolders(folders, {
      ...{ limit: this.limit, kept: this.folder, marker: 'progress.json' },
      remove: async (folder) => {
        const other = new RefinementStore(folder);
        const unlock = await other.lock().catch(() => undefined);
        if (!unlock) return false;
        await other.remove();
        await unlock();
        return true;
      },
    });
  }

  /** Puts the best state into the file that is trained. @returns whether it is whole. */
  takeBest(training: Training, progress: RefinementProgress): Promise<boolean> {
    return training.load(this.best(bestPoint(progress.points)!.step), 'values');
  }

  /** Removes what is kept; what others have in the folder stays. */
  async remove(): Promise<void> {
    const names = await readdir(this.folder).catch(() => []);
    const kept = names.filter((name) => /^(progress\.json|(state|best)-\d+)$/.test(name));
    await Promise.all(kept.map((name) => rm(this.file(name), { force: true })));
  }

  private readonly state = (step: number): string => this.file(`state-${step}`);
  private readonly best = (step: number): string => this.file(`best-${step}`);
  private readonly file = (name: string): string => join(this.folder, name);
}
