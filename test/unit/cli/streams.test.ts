import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { sampleFolder, sampleWeights, temporaryFolder } from '../../support/files';
import { buildPrograms, runProgram, type RunOptions } from '../../support/programs';

const cache = temporaryFolder();
let cli: string;

beforeAll(async () => {
  cli = (await buildPrograms()).cli;
});

const quantscope = (args: readonly string[], options: Partial<RunOptions> = {}) =>
  runProgram(cli, args, { cache, ...options });

describe('a stream that nobody reads any further', () => {
  it('is no failure', async () => {
    const ended = await quantscope(['inspect', sampleFolder, '--json'], { closeStdout: true });
    expect(ended).toMatchObject({ code: 0, signal: null, stderr: '' });
  });

  it('hides no failure', async () => {
    const absent = ['inspect', join(sampleFolder, 'absent'), '--json'];
    expect((await quantscope(absent, { closeStdout: true })).code).toBe(1);
    expect((await quantscope(absent, { closeStderr: true })).code).toBe(1);
    expect((await quantscope(['frobnicate'], { closeStderr: true })).code).toBe(2);
  });

  it('does not end the work', async () => {
    const out = join(temporaryFolder(), 'x.gguf');
    const args = ['export', sampleFolder, '--type', 'Q4_0', '--out', out];
    expect((await quantscope(args, { closeStderr: true, closeStdout: true })).code).toBe(0);
    expect(existsSync(out)).toBe(true);
  });
});

describe.skipIf(process.platform === 'win32')('a file that stdout goes to', () => {
  /** Status of a command in a shell in which files have at most so many blocks of 512 bytes. */
  function statusOf(args: readonly string[], blocks: string, file: string): { code: number; stderr: string } {
    const script = 'ulimit -f "$1"; out=$2; shift 2; "$@" > "$out"; echo "status $?" >&2';
    const command = [process.execPath, cli, ...args];
    const told = join(temporaryFolder(), 'told');
    execFileSync('sh', ['-c', `(${script}) 2> "$0"`, told, blocks, file, ...command], {
      env: { ...process.env, QUANTSCOPE_CACHE: cache },
    });
    const stderr = readFileSync(told, 'utf8');
    return { code: Number(/status (\d+)/.exec(stderr)![1]), stderr };
  }

  it('holds the whole result, or the command fails and says why', () => {
    const file = join(temporaryFolder(), 'result.json');
    writeFileSync(file, '');
    const args = ['inspect', sampleWeights, '--json'];
    expect(statusOf(args, '4', file)).toEqual({
      code: 1,
      stderr: expect.stringMatching(/^quantscope: The result cannot be written to stdout: EFBIG/) as string,
    });
    expect(statusOf(args, 'unlimited', file)).toEqual({ code: 0, stderr: 'status 0\n' });
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ format: 'safetensors' });
  });

  it.skipIf(!existsSync('/dev/full'))('may be a device that is full, which the command says', () => {
    expect(statusOf(['inspect', sampleWeights], 'unlimited', '/dev/full')).toEqual({
      code: 1,
      stderr: expect.stringMatching(
        /^quantscope: The result cannot be written to stdout: ENOSPC[^\n]*\nstatus 1\n$/,
      ) as string,
    });
  });
});
