import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { readDivergences } from '../../../src/ampq/gains';
import { exportGguf } from '../../../src/exporter/exportGguf';
import { openModel } from '../../../src/layouts/openModel';
import type { Plan } from '../../../src/protocol/plan';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { buildPrograms, runProgram, type Ended, type Programs } from '../../support/programs';

const folder = temporaryFolder();
const model = join(folder, 'one-layer.gguf');
const text = join(sampleFolder, 'generated-calibration.txt');
let programs: Programs;

beforeAll(async () => {
  programs = await buildPrograms();
  const sample = await openModel(sampleFolder);
  await exportGguf(sample, { type: 'F32', pruneLayers: [1, 2, 3, 4, 5] }, model).finally(() =>
    sample.close(),
  );
});

const gains = ['--text', text, '--tokens', '256', '--context', '64', '--calibration-tokens', '512'];

const quantscope = (...call: string[]): Promise<Ended> =>
  runProgram(programs.cli, [...call, '--device', 'cpu'], { cache: folder });

it('adds types on lattices and measures gains in Q2_K where a plan with optimised codes has few bits, and exports it without an importance matrix', async () => {
  const [plan, out] = [join(folder, 'low.ampq.json'), join(folder, 'low.gguf')];
  const { code, stderr } = await quantscope(
    ...['recommend', model, '--budget', '2.3bpw', '--out', plan, ...gains],
  );
  expect(code, stderr).toBe(0);
  expect(stderr).toContain('Below 4.5 bits per weight, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S are added.');
  expect(stderr).toContain('Below 3.7 bits per weight, gains are measured in Q2_K.');
  const kept = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.Q2_K.gains.json'),
  );
  const [measured] = await Promise.all(kept.map((name) => readDivergences(join(folder, name))));
  const found = Object.entries(measured!.tensors).map(([tensor, { format, error, divergence }]) => {
    expect(format, tensor).toBe('Q2_K');
    return [tensor, divergence / error] as const;
  });
  const { assignments, total } = JSON.parse(readFileSync(plan, 'utf8')) as Plan;
  expect(total.bitsPerWeight).toBeLessThanOrEqual(2.3);
  expect(new Map(assignments.map(({ tensor, gain }) => [tensor, gain]))).toEqual(new Map(found));
  const formats = new Map(assignments.map(({ tensor, format }) => [tensor, format]));
  expect(formats.get('blk.0.ffn_up.weight')).toMatch(/^IQ2_/);
  expect(formats.get('token_embd.weight')).not.toMatch(/^IQ2_XX?S/);
  const exported = await quantscope('export', model, '--plan', plan, '--out', out);
  expect(exported.code, exported.stderr).toBe(0);
  expect(statSync(out).size).toBe(total.fileBytes);
});

it.each([
  ['cpu', true],
  ['gpu', false],
])(
  'counts the rounding of activations by types in blocks of 32 and of 256 for a %s: %s',
  async (backend, isCounted) => {
    const plan = join(folder, `${backend}.ampq.json`);
    const { code, stderr } = await quantscope(
      ...['recommend', model, '--budget', '6bpw', '--out', plan, ...gains],
      ...(backend === 'cpu' ? [] : ['--backend', backend]), // cpu is the default
    );
    expect(code, stderr).toBe(0);
    const { assignments, roundsActivations } = JSON.parse(readFileSync(plan, 'utf8')) as Plan;
    expect(roundsActivations).toBe(isCounted || undefined);
    expect(assignments.some(({ format }) => format === 'Q5_0' || format === 'Q5_1')).toBe(isCounted);
  },
  120_000,
);
