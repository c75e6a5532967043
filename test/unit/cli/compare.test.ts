import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { exportGguf } from '../../../src/exporter/exportGguf';
import { openModel } from '../../../src/layouts/openModel';
import type { ThreeWayComparison } from '../../../src/protocol/compare';
import type { ChangeSpectra } from '../../../src/protocol/spectrum';
import { writeAdapter } from '../../support/adapters';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { buildPrograms, runProgram } from '../../support/programs';

const folder = temporaryFolder();
const path = (name: string): string => join(folder, name);

let cli: string;

async function run(...args: string[]) {
  const { code, stdout, stderr } = await runProgram(cli, ['compare', ...args], { cache: path('cache') });
  return { status: code, text: stdout, said: stderr };
}

beforeAll(async () => {
  cli = (await buildPrograms()).cli;
  const model = await openModel(sampleFolder);
  await exportGguf(model, { type: 'Q8_0' }, path('q8.gguf'));
  await exportGguf(model, { type: 'Q4_0' }, path('q4.gguf'));
  await model.close();
  await writeAdapter(path('adapter'), {
    modules: { 'model.layers.0.self_attn.q_proj': [256, 256], 'model.layers.3.mlp.up_proj': [768, 256] },
    config: { r: 6 },
  });
});

describe('quantscope compare --and', () => {
  it('says which of two models is closer to their original, by tensor and in all', async () => {
    const { status, text } = await run(sampleFolder, path('q4.gguf'), '--and', path('q8.gguf'), '--json');
    expect(status).toBe(0);
    const result = JSON.parse(text) as ThreeWayComparison;
    expect(result.counts).toEqual({ A: 0, B: 44, same: 13 }); // norms are equal in both
    expect(result.relativeErrors.a).toBeGreaterThan(10 * result.relativeErrors.b);
    const gaps = result.tensors.map(({ a, b }) => a!.relativeError - b!.relativeError);
    expect(gaps).toEqual([...gaps].sort((x, y) => y - x));
    const tensor = result.tensors.find(({ name }) => name === 'model.layers.0.mlp.down_proj.weight')!;
    expect(tensor).toMatchObject({ dtypes: { original: 'BF16', a: 'Q4_0', b: 'Q8_0' }, closer: 'B' });
    const lines = (await run(sampleFolder, path('q4.gguf'), '--and', path('q8.gguf'), '--limit', '2')).text;
    expect(lines).toMatch(/A is closer in 0, B in 44; 13 have the same error/);
    expect(lines.split('\n')).toHaveLength(10); // two of a table with its head, a blank, four of the summary, and the end
  });

  it('joins files of other names by those of the original', async () => {
    const { text } = await run(sampleFolder, sampleFolder, '--and', path('q8.gguf'), '--json');
    const result = JSON.parse(text) as ThreeWayComparison;
    expect(result.tensors).toHaveLength(57);
    expect(result.counts).toEqual({ A: 44, B: 0, same: 13 });
  });
});

describe('quantscope compare --rank', () => {
  it('finds the rank of an adapter, merged into the other model virtually', async () => {
    const { status, text } = await run(
      sampleFolder,
      sampleFolder,
      '--other-lora',
      path('adapter'),
      '--rank',
      '--json',
    );
    expect(status).toBe(0);
    const { spectra, skipped } = JSON.parse(text) as ChangeSpectra;
    const changed = spectra.filter(({ norm }) => norm > 0);
    expect(changed.map(({ name, kind, rank }) => ({ name, kind, rank }))).toEqual([
      { name: 'model.layers.0.self_attn.q_proj.weight', kind: 'low rank', rank: 6 },
      { name: 'model.layers.3.mlp.up_proj.weight', kind: 'low rank', rank: 6 },
    ]);
    expect(spectra.length + skipped.length).toBe(57);
    expect(skipped.every(({ name }) => /norm/.test(name))).toBe(true);
    const lines = (await run(sampleFolder, sampleFolder, '--other-lora', path('adapter'), '--rank')).text;
    expect(lines).toMatch(/2 of 44 matrices changed; 2 by a low rank of 6, as a merged LoRA does\./);
    expect(lines).toMatch(/^matrix +change +rank +first 8 +16 +32 +64/m);
    expect(lines).toMatch(/^Left out: 13 tensors\. Only matrices have singular values\.$/m);
  });
});

it('a third operand is told where it belongs', async () => {
  const { status, said } = await run(sampleFolder, sampleFolder, sampleFolder);
  expect(status).toBe(2);
  expect(said).toMatch(
    /3 operands were given\. A third model is named by --and: compare MODEL OTHER --and THIRD\./,
  );
});

it.each([
  [['--and', 'x', '--rank'], /--and and --rank do not go together/],
  [['--and', 'x', '--fail-above', '1'], /--and and --fail-above do not go together/],
  [['--rank', '--fail-above', '1'], /--rank and --fail-above do not go together/],
  [['--and-lora', 'x'], /--and-lora is of the model that --and names/],
])('%s is rejected, not ignored', async (options, message) => {
  const { status, said } = await run(sampleFolder, sampleFolder, ...options);
  expect(status).toBe(2);
  expect(said).toMatch(message);
});
