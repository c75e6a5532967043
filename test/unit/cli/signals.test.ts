import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { isAlive } from '../../../src/files/processSpace';
import { sampleFolder, temporaryFolder, writeFile } from '../../support/files';
import { killAtRenameTo } from '../../support/killers';
import { buildPrograms } from '../../support/programs';

const folder = temporaryFolder();
let cli: string;

beforeAll(async () => {
  cli = (await buildPrograms()).cli;
});

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; signal: string | null }>;
  /** Waits for a text on stderr. @returns the match. */
  readonly said: (text: RegExp) => Promise<RegExpExecArray>;
}

/** @param preload code that runs first in the worker process. */
function start(args: readonly string[], { preload = '', group = false } = {}): Running {
  const script = `if (process.argv.includes('--supervised')) { ${preload} }`;
  const file = writeFile(folder, `preload-${process.hrtime.bigint()}.cjs`, script);
  const env = { ...process.env, QUANTSCOPE_CACHE: join(folder, 'cache'), NODE_OPTIONS: `--require ${file}` };
  const child = spawn(process.execPath, [cli, ...args], { env, detached: group });
  let stderr = '';
  child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
  const closed = new Promise((resolve) => child.stderr.once('close', resolve));
  return {
    child,
    ended: new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal }))),
    said: async (text) => {
      for (;;) {
        const found = text.exec(stderr);
        if (found) return found;
        if (child.stderr.closed) throw new Error(`${String(text)} was not said, but: ${stderr}`);
        await Promise.race([closed, new Promise((resolve) => child.stderr.once('data', resolve))]);
      }
    },
  };
}

/** Blocks the event loop for ever; reports when the parent's request, which nothing reads, is in the channel (descriptor 3). */
const blocks = `
const { readSync, writeSync } = require('node:fs');
writeSync(2, 'blocked ' + process.pid + '\\n');
for (;;) {
  try {
    writeSync(2, 'asked ' + readSync(3, Buffer.alloc(100)) + '\\n');
  } catch {} // nothing there yet
}`;

const isRunning = (pid: number): boolean => isAlive({ space: '', pid, start: 0 });

describe.skipIf(process.platform === 'win32')('signals', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('a second %s ends work that does not respond, with %d', async (signal, status) => {
    const { child, ended, said } = start(['formats'], { preload: blocks });
    const [, pid] = await said(/blocked (\d+)/);
    child.kill(signal);
    await said(/asked [1-9]/); // the first one is only a request
    expect(isRunning(Number(pid))).toBe(true);
    child.kill(signal);
    expect(await ended).toEqual({ code: status, signal: null });
    expect(isRunning(Number(pid))).toBe(false);
  });

  it('a signal from the terminal reaches all processes and cancels once', async () => {
    const out = temporaryFolder();
    const args = ['export', sampleFolder, '--type', 'IQ3_S', '--threads', '1', '--out', join(out, 'x.gguf')];
    const { child, ended, said } = start(args, { group: true });
    await said(/ % /);
    process.kill(-child.pid!, 'SIGINT');
    expect(await ended).toEqual({ code: 130, signal: null });
    expect(readdirSync(out)).toEqual([]);
  });

  it('the work ends with a killed parent, and leaves no file', async () => {
    const out = temporaryFolder();
    const tell = `require('node:fs').writeSync(2, 'works as ' + process.pid + '\\n');`;
    const args = ['export', sampleFolder, '--type', 'IQ3_S', '--threads', '1', '--out', join(out, 'x.gguf')];
    const { child, ended, said } = start(args, { preload: tell });
    const [, pid] = await said(/works as (\d+)/);
    await said(/ % /);
    child.kill('SIGKILL');
    await ended; // both have closed stderr
    await expect.poll(() => isRunning(Number(pid))).toBe(false);
    expect(readdirSync(out)).toEqual([]);
  });

  it('a crash of the worker process is reported, with the status that shells use', async () => {
    const { ended, said } = start(['formats'], {
      preload: `process.kill(process.pid, 'SIGKILL'); for (;;) {}`,
    });
    await said(/quantscope: the worker process was ended by SIGKILL\./);
    expect(await ended).toEqual({ code: 137, signal: null });
  });

  it.each([
    ['scan', '--csv', 'figures.csv'],
    ['report', '--out', 'report.html'],
    ['report', '--out', 'report.md'],
  ])('a %s that is killed before %s %s is in place leaves the earlier one', async (command, option, name) => {
    const target = temporaryFolder();
    const out = writeFile(target, name, 'earlier');
    const args = [command, sampleFolder, option, out];
    expect((await start(args, { preload: killAtRenameTo(out) }).ended).code).not.toBe(0);
    expect(readFileSync(out, 'utf8')).toBe('earlier');
    expect((await start(args).ended).code).toBe(0);
    expect(readdirSync(target)).toEqual([name]); // what the killed one had written is gone
    expect(readFileSync(out, 'utf8')).not.toBe('earlier');
  });
});
