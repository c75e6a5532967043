import { cpus } from 'node:os';

/** Starts to watch the machine; the answer is the share of its processor time that other processes used since. */
export function watchOtherLoad(): () => number {
  const start = processorTimes();
  return () => {
    const { busy, all, own } = processorTimes();
    return Math.max(0, (busy - start.busy - (own - start.own)) / (all - start.all));
  };
}

/** Milliseconds: of all cores busy, of all cores, and of this process. */
function processorTimes(): { busy: number; all: number; own: number } {
  const cores = cpus();
  const idle = cores.reduce((sum, { times }) => sum + times.idle, 0);
  const all = cores.flatMap(({ times }) => Object.values(times)).reduce((sum, time) => sum + time, 0);
  const { user, system } = process.cpuUsage();
  return { busy: all - idle, all, own: (user + system) / 1000 };
}
