import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ModelDescription } from '../../../src/protocol/model';
import { temporaryFolder, writeFile } from '../../support/files';
import { buildPrograms, runProgram, type Ended } from '../../support/programs';
import { Call, Global, tensor, torchZip } from '../../support/torchFiles';

const folder = temporaryFolder();
const trace = join(folder, 'was-run');
let cli: string;

beforeAll(async () => {
  cli = (await buildPrograms()).cli;
});

const quantscope = (...args: string[]): Promise<Ended> =>
  runProgram(cli, args, { cache: join(folder, 'cache') });

describe('a PyTorch file that would have Python run code', () => {
  const weights = { w: tensor('F32', [2, 2], Float32Array.of(1, 2, 3, 4)) };
  const attack = new Call(new Global('os', 'system'), `touch ${trace}`);
  const path = writeFile(folder, 'evil.bin', torchZip({ ...weights, attack }));

  it('is inspected: the danger is printed with its place, and nothing runs', async () => {
    const { stdout, code } = await quantscope('inspect', path);
    expect(code).toBe(0);
    expect(stdout).toContain(
      'DANGER: This file asks Python for 1 class or function besides tensors. Loading it in Python could run any code. Nothing of it was run here; tensors that depend on it are not shown. A conversion to safetensors keeps the tensors and none of the code.',
    );
    expect(stdout).toMatch(/^DANGER: os\.system\("touch .*was-run"\) \(evil\.bin, byte \d+\)$/m);
    expect(stdout).toMatch(/^w +F32 +\[2, 2\]/m);
    expect(existsSync(trace)).toBe(false);
  });

  it('is inspected as JSON: the danger is a value', async () => {
    const { stdout } = await quantscope('inspect', path, '--json');
    const { dangers, format } = JSON.parse(stdout) as ModelDescription;
    expect(format).toBe('pytorch');
    expect(dangers).toEqual([
      {
        file: path,
        name: 'os.system',
        offset: expect.any(Number) as number,
        calls: [`os.system("touch ${trace}")`],
      },
    ]);
  });

  it('cannot reach the terminal by its names', async () => {
    const odd = new Call(new Global('m\u001b[31m', 'f\r'), '\u001b]0;title\u0007');
    const { stdout } = await quantscope(
      'inspect',
      writeFile(folder, 'odd.bin', torchZip({ ...weights, odd })),
    );
    expect(stdout).toContain('DANGER: m\\u001b[31m.f\\r(');
    expect(stdout).not.toMatch(/[\u0007\u001b\r]/);
  });

  it('is measured like any other model', async () => {
    const { stdout, code } = await quantscope('stats', path, '--tensor', 'w', '--json');
    expect(code).toBe(0);
    expect(JSON.stringify(JSON.parse(stdout))).toContain('2.5');
  });
});

describe('a PyTorch file without code', () => {
  it('has no danger, and its notes are printed', async () => {
    const path = join(folder, 'good');
    mkdirSync(path);
    const shared = tensor('F32', [2], Float32Array.of(1, 2));
    writeFile(path, 'pytorch_model.bin', torchZip({ a: shared, b: shared }));
    const { stdout } = await quantscope('inspect', path);
    expect(stdout).not.toContain('DANGER');
    expect(stdout).toContain('Note: a and b share their data (tied weights).');
    expect(stdout).toContain('pytorch, unknown architecture, 2 tensors, 2 parameters');
  });
});

describe('a PyTorch file as safetensors', () => {
  it('is written by convert; the source is never replaced', async () => {
    const path = writeFile(folder, 'source.bin', torchZip({ w: tensor('F32', [2], Float32Array.of(3, 4)) }));
    const out = join(folder, 'converted.safetensors');
    const { stdout, code } = await quantscope('convert', path, '--out', out);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Written: .*converted\.safetensors \(1 tensor, \d+ B\)$/m);
    expect(readFileSync(out).subarray(-8)).toEqual(Buffer.from(Float32Array.of(3, 4).buffer));
    const over = await quantscope('convert', path, '--out', path);
    expect(over.code).toBe(1);
    expect(over.stderr).toContain('The output exists and is not a folder');
  });
});
