import { existsSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ExportedMmproj } from '../../../src/protocol/mmproj';
import { temporaryFolder } from '../../support/files';
import { buildPrograms, runProgram, type Ended } from '../../support/programs';
import { visionCheckpoints } from '../../support/visionCheckpoints';
import { writeVisionCheckpoint } from '../../support/writeVisionCheckpoint';

const folder = temporaryFolder();
const source = join(folder, 'gemma');
let cli: string;

beforeAll(async () => {
  cli = (await buildPrograms()).cli;
  await writeVisionCheckpoint(source, visionCheckpoints['gemma3']!);
});

const run = (...args: string[]): Promise<Ended> =>
  runProgram(cli, ['export-mmproj', source, ...args], { cache: join(folder, 'cache') });

describe('quantscope export-mmproj', () => {
  it('lists tensors with their types in a dry run, and writes nothing', async () => {
    const out = join(folder, 'dry.gguf');
    const { code, stdout } = await run('--dry-run', '--type', 'Q8_0', '--out', out);
    expect([code, existsSync(out)]).toEqual([0, false]);
    expect(stdout).toMatch(/^v\.blk\.1\.ffn_down\.weight +BF16 +Q8_0 +/m);
    expect(stdout).toMatch(/^mm\.input_projection\.weight +BF16 +F32 +.*plain float/m);
    expect(stdout).toMatch(/Dry run, nothing was written \(gemma3, /);
  });

  it('writes a file whose damaged tensors can be made again', async () => {
    const out = join(folder, 'mmproj.gguf');
    const { code, stdout, stderr } = await run('--out', out, '--json');
    expect(code, stderr).toBe(0);
    const { tensors, type, bytes } = JSON.parse(stdout) as ExportedMmproj;
    expect([type, tensors.at(-1)?.name]).toEqual(['F16', 'v.post_ln.weight']);
    const whole = readFileSync(out);
    const file = await open(out, 'r+');
    await file.write(Buffer.from([1, 2, 3, 4]), 0, 4, bytes - 64);
    await file.close();
    const repaired = join(folder, 'repaired');
    const verify = ['verify', out, '--repair', repaired, '--source', source];
    const verified = await runProgram(cli, verify, { cache: join(folder, 'cache') });
    expect(verified.code, verified.stderr).toBe(0);
    expect(readFileSync(join(repaired, 'mmproj.gguf'))).toEqual(whole);
  });

  it('takes only the types that llama.cpp computes with, and needs a target', async () => {
    const wrong = await run('--type', 'Q4_K_M', '--out', join(folder, 'x.gguf'));
    expect([wrong.code, existsSync(join(folder, 'x.gguf'))]).toEqual([2, false]);
    expect(wrong.stderr).toMatch(/--type takes F16, BF16, F32 or Q8_0, not "Q4_K_M"/);
    expect(await run()).toMatchObject({ code: 2 });
  });
});
