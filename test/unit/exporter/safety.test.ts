import { execFile, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { exportGguf } from '../../../src/exporter/exportGguf';
import { openModel } from '../../../src/layouts/openModel';
import { temporaryFolder } from '../../support/files';
import { buildPrograms, runProgram, type Programs } from '../../support/programs';
import { writeSyntheticGguf } from '../../support/syntheticGguf';

/** Large enough that an export of it can be interrupted: 64 MB of weights, which IQ3_S takes a while for. */
const big = { architecture: 'llama', blocks: 16, heads: 4, kvHeads: 4, columns: 256 * 256 };

describe.skipIf(process.platform === 'win32')('an export that ends early', () => {
  const folder = temporaryFolder();
  const source = join(folder, 'big.gguf');
  const cache = join(folder, 'cache');
  const output = join(folder, 'out');
  const target = join(output, 'target.gguf');
  const files = (): string[] => readdirSync(output).sort();
  let programs: Programs;

  beforeAll(async () => {
    programs = await buildPrograms();
    await writeSyntheticGguf(source, big);
    mkdirSync(output);
    writeFileSync(target, 'the old file');
  });

  it('leaves the old target when it is killed, and its temporary file goes at the next start', async () => {
    const args = [programs.cli, 'export', source, '--type', 'IQ3_S', '--threads', '1', '--out', target];
    // A group of processes of its own, which ends as one.
    const env = { ...process.env, QUANTSCOPE_CACHE: cache };
    const child = spawn(process.execPath, args, { env, detached: true });
    const ended = new Promise((resolve) => child.on('close', resolve));
    await expect.poll(files, { interval: 5 }).toHaveLength(2);
    process.kill(-child.pid!, 'SIGKILL');
    await ended;
    expect(readFileSync(target, 'utf8')).toBe('the old file');
    expect(files()).toEqual([expect.stringMatching(/^\.target\.gguf\.\w+\.partial$/), 'target.gguf']);
    // Any start will do.
    const { code } = await runProgram(programs.cli, ['inspect', source], { cache });
    expect(code).toBe(0);
    expect(files()).toEqual(['target.gguf']);
    expect(readdirSync(join(cache, 'partials'))).toEqual([]);
  });

  it('leaves the old target and nothing else when the file cannot grow any more', async () => {
    // A limit of the operating system: writes fail in the middle of the file, as on a full disk.
    const limit = `ulimit -f 4000; exec "$0" "$@"`;
    const args = [
      '-c',
      limit,
      process.execPath,
      programs.cli,
      'export',
      source,
      '--type',
      'Q8_0',
      '--out',
      target,
    ];
    const env = { ...process.env, QUANTSCOPE_CACHE: cache };
    const failed: unknown = await promisify(execFile)('bash', args, { env }).catch((error: unknown) => error);
    expect(failed).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/cannot be written: EFBIG.*target/) as string,
    });
    expect(readFileSync(target, 'utf8')).toBe('the old file');
    expect(files()).toEqual(['target.gguf']);
  });

  it('leaves the old target and nothing else when the model is rewritten in the meantime', async () => {
    const copy = join(folder, 'rewritten.gguf');
    writeFileSync(copy, readFileSync(source));
    const model = await openModel(copy);
    let rewritten = false;
    const rewrite = (): void => {
      if (rewritten) return;
      rewritten = true;
      writeFileSync(copy, readFileSync(source)); // of the same size, as a training run writes its next checkpoint
    };
    const mixed = exportGguf(model, { type: 'Q8_0' }, target, { onProgress: rewrite });
    await expect(mixed).rejects.toMatchObject({ code: 'IO', place: { file: copy } });
    await expect(mixed).rejects.toThrow('changed while it was read');
    await model.close();
    expect(readFileSync(target, 'utf8')).toBe('the old file');
    expect(files()).toEqual(['target.gguf']);
  });

  it('leaves the old target and nothing else when the model cannot be read to its end', async () => {
    const copy = join(folder, 'copy.gguf');
    writeFileSync(copy, readFileSync(source));
    const model = await openModel(copy);
    const cut = exportGguf(model, { type: 'Q8_0' }, target, {
      onProgress: () => truncateSync(copy, 20_000_000),
    });
    await expect(cut).rejects.toThrow(/ended before its stated size.*copy\.gguf.*byte \d+/);
    await model.close();
    expect(readFileSync(target, 'utf8')).toBe('the old file');
    expect(files()).toEqual(['target.gguf']);
  });
});
