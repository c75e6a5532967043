import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readImatrix } from '../../../src/model/imatrix';
import type { CalibrationResult } from '../../../src/protocol/evaluation';
import type { ModelDescription } from '../../../src/protocol/model';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { buildPrograms, runProgram, type Ended, type Programs } from '../../support/programs';

const folder = temporaryFolder();
const text = join(sampleFolder, 'generated-calibration.txt');
let programs: Programs;

const quantscope = (...args: string[]): Promise<Ended> => runProgram(programs.cli, args, { cache: folder });
const imatrix = (out: string, ...more: string[]): Promise<Ended> =>
  quantscope(
    'imatrix',
    sampleFolder,
    '--text',
    text,
    '--out',
    out,
    '--windows',
    '2',
    '--device',
    'cpu',
    ...more,
  );

beforeAll(async () => {
  programs = await buildPrograms();
});

describe('quantscope imatrix', () => {
  it.each([
    [['imatrix', 'm', '--text', 't'], /--out is missing/],
    [['imatrix', 'm', '--out', 'x.gguf'], /--text is missing/],
    [['imatrix', 'm', '--text', 't', '--out', 'x.bin'], /--out takes a \.gguf or \.dat file, not "x\.bin"/],
    [
      ['imatrix', 'm', '--text', 't', '--out', 'x.dat', '--windows', 'many'],
      /--windows takes a whole number .* "many"/,
    ],
  ])('ends with 2 and a hint for %j', async (args, hint) => {
    const { code, stderr } = await quantscope(...args);
    expect(code).toBe(2);
    expect(stderr).toMatch(hint);
  });

  it.each(['gguf', 'dat'])('writes a .%s that exports read', async (ending) => {
    const out = join(folder, `importance.${ending}`);
    const { code, stdout, stderr } = await imatrix(out, '--json');
    expect(code, stderr).toBe(0);
    const result = JSON.parse(stdout) as CalibrationResult;
    // Seven matrices in each of the six blocks.
    expect(result).toMatchObject({ out, entries: 42, chunks: 2, tokens: 512 });
    const { entries } = await readImatrix(out);
    expect(entries.has('blk.0.ffn_down.weight')).toBe(true);
    expect(entries.has('output.weight')).toBe(false);
    const exported = join(folder, `small-${ending}.gguf`);
    const export_ = await quantscope(
      ...['export', sampleFolder, '--type', 'IQ2_S', '--imatrix', out, '--out', exported],
    );
    expect(export_.code, export_.stderr).toBe(0);
    expect(existsSync(exported)).toBe(true);
  });

  it('includes the output matrix, and writes Hessians, where that is asked for', async () => {
    const [out, hessians] = [join(folder, 'all.gguf'), join(folder, 'hessians')];
    const { code, stdout, stderr } = await imatrix(out, '--process-output', '--hessians', hessians);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^43 matrices from 2 chunks, 512 tokens; perplexity \d/);
    expect(stdout).toContain(`Written: ${out}`);
    expect(stdout).toContain(`Written: ${hessians}`);
    const file = join(hessians, 'blk.0.ffn_down.weight.safetensors');
    const { tensors } = JSON.parse((await quantscope('inspect', file, '--json')).stdout) as ModelDescription;
    expect(tensors).toMatchObject([{ name: 'blk.0.ffn_down.weight', dtype: 'F32', shape: [768, 768] }]);
  });
});
