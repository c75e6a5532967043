import { fileURLToPath } from 'node:url';
import { runProbe } from '../graph/probe';
import { runCommandLine } from './run';
import { cancellation, supervise, supervisedMark } from './supervise';
import { Terminal } from './terminal';

/** Runs the command in this process, which another one supervises. */
async function work(args: readonly string[]): Promise<void> {
  // A reader that has seen enough (`quantscope … | head`) is not a failure, nor does it hide one.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  process.exitCode = await runCommandLine(args, new Terminal(), cancellation());
  process.disconnect(); // nothing else keeps the process alive
}

// Work does not end because nobody reads what it tells (`quantscope … 2>&1 | head`, a closed terminal).
process.stderr.on('error', () => undefined);
const [first, ...rest] = process.argv.slice(2);
const probe = process.argv.indexOf('--probe');
if (probe >= 0 && process.send) {
  void runProbe(process.argv[probe + 1] ?? '');
} else if (first === supervisedMark && process.send) {
  await work(rest);
} else {
  process.exit(await supervise(fileURLToPath(import.meta.url), process.argv.slice(2)));
}
