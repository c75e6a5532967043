import { fork } from 'node:child_process';
import { constants } from 'node:os';

/** First argument of the worker process, which its parent supervises. */
export const supervisedMark = '--supervised';

/** Signals that ask a command to end: the first cancels it, the second kills it, a third does not even wait for that. */
const endings = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Tells the worker process to cancel; the number is its exit status. */
interface Cancel {
  readonly cancel: number;
}

/**
 * Runs a command in a child process. Work that blocks the child's event loop (an expression that backtracks, a kernel) cannot keep
 * the parent from hearing signals, and a crash in native code is reported as an error.
 * @returns the exit status: the child's, or 128 and the number of the signal that ended it, as shells count.
 */
export function supervise(program: string, args: readonly string[]): Promise<number> {
  const child = fork(program, [supervisedMark, ...args], { stdio: 'inherit' });
  let asked = 0;
  let killedFor: number | undefined;
  return new Promise((resolve) => {
    for (const name of endings) {
      process.on(name, () => {
        const status = 128 + constants.signals[name];
        const message: Cancel = { cancel: status };
        asked += 1;
        if (asked === 1 && child.connected) return child.send(message);
        killedFor = status;
        child.kill('SIGKILL');
        if (asked > 2) resolve(status);
      });
    }
    child.on('error', (error) => {
      process.stderr.write(`quantscope: the worker process cannot be started: ${error.message}\n`);
      resolve(1);
    });
    child.on('exit', (code, signal) => {
      if (signal !== null && killedFor === undefined)
        process.stderr.write(`\nquantscope: the worker process was ended by ${signal}.\n`);
      resolve(killedFor ?? code ?? (signal === null ? 1 : 128 + constants.signals[signal]));
    });
  });
}

/** In the worker process: the signal that its parent fires. The end of the parent also cancels. */
export function cancellation(): AbortSignal {
  const controller = new AbortController();
  // A terminal sends signals to both processes; the parent decides what they mean.
  for (const name of endings) process.on(name, () => undefined);
  process.on('message', ({ cancel }: Cancel) => controller.abort(cancel));
  process.on('disconnect', () => controller.abort(1));
  return controller.signal;
}
