import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { printPlan } from '../../../src/ampq/planFile';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { planFor } from '../../support/plans';
import { buildPrograms, runProgram, type Ended, type Programs } from '../../support/programs';

const folder = temporaryFolder();
const planFile = join(folder, 'two.ampq.json');
let programs: Programs;

beforeAll(async () => {
  programs = await buildPrograms();
  const plan = await planFor(sampleFolder, { 'output.weight': 'Q6_K', 'blk.2.attn_v.weight': 'Q5_K' });
  writeFileSync(planFile, printPlan(plan));
});

const run = (...options: string[]): Promise<Ended> =>
  runProgram(programs.cli, ['export-overrides', sampleFolder, '--plan', planFile, ...options], {
    cache: folder,
  });

describe('quantscope export-overrides', () => {
  it('writes the settings of another tool, and says what does not carry over', async () => {
    const types = join(folder, 'types.txt');
    const { code, stderr } = await run('--as', 'tensor-types', '--out', types);
    expect([code, stderr]).toEqual([0, expect.stringContaining('--tensor-type-file')]);
    expect(readFileSync(types, 'utf8').split('\n').sort()).toEqual([
      '',
      '^blk\\.2\\.attn_v\\.weight$=Q5_K',
      '^output\\.weight$=Q6_K',
    ]);
    const mlx = join(folder, 'mlx.json');
    expect((await run('--as', 'mlx', '--out', mlx, '--json')).stdout).toContain('"kind": "mlx"');
    expect(JSON.parse(readFileSync(mlx, 'utf8'))).toEqual({
      quantization: {
        ...{ group_size: 64, bits: 5 },
        lm_head: { group_size: 64, bits: 6 },
      },
    });
  });

  it('ends with 2 for a tool that it does not know, and never writes over the plan', async () => {
    const wrong = await run('--as', 'gguf', '--out', join(folder, 'x'));
    expect([wrong.code, wrong.stderr]).toEqual([
      2,
      expect.stringMatching(
        /--as takes tensor-types, compressed-tensors, gptq, mlx, recipe or onnx-recipe, not "gguf"/,
      ),
    ]);
    const before = readFileSync(planFile, 'utf8');
    expect((await run('--as', 'gptq', '--out', planFile)).code).toBe(1);
    expect(readFileSync(planFile, 'utf8')).toBe(before);
  });
});
