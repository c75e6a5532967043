import { runProbe } from '../graph/probe';
import { runCommandLine } from './run';
import { cancellation, supervisedMark } from './supervise';
import { Terminal } from './terminal';

/** Runs a command in this process, which another one supervises. */
async function work(args: readonly string[]): Promise<void> {
  const terminal = new Terminal();
  // A reader that has seen enough (`quantscope … | head`) is not a failure, nor does it hide one.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') return;
    terminal.tell(`quantscope: The result cannot be written to stdout: ${error.message}`);
    process.exitCode = 1;
  });
  process.stderr.on('error', () => undefined); // as in the supervisor
  const code = await runCommandLine(args, terminal, cancellation());
  process.exitCode = code === 0 ? process.exitCode : code;
  process.disconnect(); // nothing else keeps the process alive
}

const [first, ...rest] = process.argv.slice(2);
if (process.send && first === '--probe') {
  void runProbe(rest[0] ?? '');
} else if (process.send && first === supervisedMark) {
  await work(rest);
} else {
  process.stderr.write('This program is a part of quantscope, which starts it.\n');
  process.exitCode = 1;
}
