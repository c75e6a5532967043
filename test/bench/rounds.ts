import { median } from '../../src/evaluation/statistics';

export type Run = () => void | Promise<void>;

/** Rounds end when there are enough of them and they took long enough, or when they take too long. */
const enough = { rounds: 5, milliseconds: 1000 };
const slow = { rounds: 3, milliseconds: 3000 };

/**
 * Median time of each contestant in milliseconds. All run once to warm up; then they take turns, each round beginning
 * with another one, so that other load on the machine affects all of them.
 */
export async function medianTimes(contestants: readonly Run[]): Promise<number[]> {
  const lanes = contestants.map((run) => ({ run, times: [] as number[] }));
  for (const { run } of lanes) await run();
  const start = performance.now();
  for (let round = 0; !isDone(round, performance.now() - start); round++) {
    const first = round % lanes.length;
    for (const lane of [...lanes.slice(first), ...lanes.slice(0, first)])
      lane.times.push(await timeOf(lane.run));
  }
  return lanes.map(({ times }) => median(times));
}

function isDone(rounds: number, milliseconds: number): boolean {
  return [enough, slow].some((limit) => rounds >= limit.rounds && milliseconds >= limit.milliseconds);
}

/** Milliseconds that one run takes. */
export async function timeOf(run: Run): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}
