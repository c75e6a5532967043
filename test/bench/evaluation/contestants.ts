import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { median } from '../../../src/evaluation/statistics';
import { watchOtherLoad } from '../otherLoad';

/** What a run in a process of its own took. */
export interface Taken {
  readonly seconds: number;
  /** User and system time of all its threads. */
  readonly cpuSeconds: number;
  /** Share of the machine's processor time that other processes used in the meantime. */
  readonly otherLoad: number;
}

/** A process that repeats its run when it is asked to, and stands still otherwise. */
export class Contestant {
  private readonly ended: Promise<never>;

  private constructor(private readonly child: ChildProcess) {
    this.ended = once(child, 'exit').then(([code]) => {
      throw new Error(`A contestant ended with ${code}.`);
    });
    this.ended.catch(() => undefined); // it ends when it is stopped
  }

  /** Starts the process; it has run once, to warm up. @param args after `--child`. */
  static async start(...args: readonly string[]): Promise<Contestant> {
    const contestant = new Contestant(fork(process.argv[1]!, ['--child', ...args]));
    await contestant.run();
    return contestant;
  }

  async run(): Promise<Taken> {
    this.child.send('run');
    const [taken] = (await Promise.race([once(this.child, 'message'), this.ended])) as [Taken];
    return taken;
  }

  stop(): void {
    this.child.disconnect();
  }
}

/** Something to time; where only a part of it counts, it says how many milliseconds that took. */
export type TimedRun = () => Promise<number | void> | number | void;

/** The other end: runs when asked, until the parent lets go. */
export function serve(run: TimedRun): void {
  process.on('message', () => void measured(run).then((taken) => process.send!(taken)));
  process.on('disconnect', () => process.exit(0));
}

async function measured(run: TimedRun): Promise<Taken> {
  const otherLoad = watchOtherLoad();
  const before = process.cpuUsage();
  const start = performance.now();
  const told = await run();
  const seconds = (told ?? performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(before);
  return { seconds, cpuSeconds: (user + system) / 1e6, otherLoad: otherLoad() };
}

/** Rounds that count, and how many are tried for the sake of quiet ones. */
const counted = 3;
const tried = 6;
/** A round is quiet when other processes used no more of the machine during each of its runs. */
const quietLoad = 0.08;

/**
 * Lets contestants take turns, and starts each from `specs` for that. Where other processes are busy, more rounds are tried; the
 * quietest count.
 * @returns medians of the counted rounds, and the mean load of other processes during them.
 */
export async function compete<Name extends string>(
  specs: Readonly<Record<Name, readonly string[]>>,
): Promise<Record<Name, Taken>> {
  const names = Object.keys(specs) as Name[];
  const contestants = new Map<Name, Contestant>();
  try {
    for (const name of names) contestants.set(name, await Contestant.start(...specs[name]));
    const rounds: Record<Name, Taken>[] = [];
    while (rounds.length < tried && rounds.filter((round) => loadOf(round) <= quietLoad).length < counted) {
      const first = rounds.length % names.length;
      const round = {} as Record<Name, Taken>;
      for (const name of [...names.slice(first), ...names.slice(0, first)])
        round[name] = await contestants.get(name)!.run();
      rounds.push(round);
      const percent = (100 * loadOf(round)).toFixed(0);
      console.error(`Round ${rounds.length} of ${names.join(', ')}: others used up to ${percent} %.`);
    }
    const best = rounds.sort((a, b) => loadOf(a) - loadOf(b)).slice(0, counted);
    const entries = names.map((name) => [name, middle(best.map((round) => round[name]))]);
    return Object.fromEntries(entries) as Record<Name, Taken>;
  } finally {
    for (const contestant of contestants.values()) contestant.stop();
  }
}

/** The largest load of other processes during a run of the round. */
const loadOf = (round: Readonly<Record<string, Taken>>): number =>
  Math.max(...Object.values(round).map(({ otherLoad }) => otherLoad));

function middle(all: readonly Taken[]): Taken {
  return {
    seconds: median(all.map(({ seconds }) => seconds)),
    cpuSeconds: median(all.map(({ cpuSeconds }) => cpuSeconds)),
    otherLoad: all.reduce((sum, { otherLoad }) => sum + otherLoad, 0) / all.length,
  };
}
