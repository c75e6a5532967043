import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeSafetensors, type SafetensorsPart } from '../../../src/exporter/writeSafetensors';
import type { Plan, SensitivityTable } from '../../../src/protocol/plan';
import { sampleFolder, temporaryFolder, writeFile } from '../../support/files';
import { GgufBytes } from '../../support/ggufBytes';
import { buildPrograms, runProgram, type Ended } from '../../support/programs';

const folder = temporaryFolder();
const cache = join(folder, 'cache');
const out = join(folder, 'plan.ampq.json');
let cli: string;

beforeAll(async () => {
  cli = (await buildPrograms()).cli;
});

const quantscope = (...args: string[]): Promise<Ended> => runProgram(cli, args, { cache });
const count = (text: string, part: string): number => text.split(part).length - 1;

/** A matrix of 4 × 256 weights below 1, but for one. */
const matrix = (name: string, one = 0.5): SafetensorsPart => ({
  ...{ name, dtype: 'F32', shape: [4, 256] },
  data: () => [
    new Uint8Array(Float32Array.from({ length: 1024 }, (_, i) => (i === 5 ? one : Math.sin(i))).buffer),
  ],
});

/** A checkpoint with packed experts, of an architecture without a description. @param scales of a row; one belongs to its 32 weights. */
async function undescribed(scales: number): Promise<string> {
  const path = join(folder, `gpt-oss-${scales}`);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'config.json'), JSON.stringify({ model_type: 'gpt_oss' }));
  const packed = (name: string, shape: number[]): SafetensorsPart => ({
    ...{ name: `model.layers.0.mlp.experts.${name}`, dtype: 'U8', shape },
    data: () => [new Uint8Array(shape.reduce((product, size) => product * size, 1))],
  });
  const parts = [
    matrix('model.layers.0.self_attn.q_proj.weight'),
    packed('gate_up_proj_blocks', [2, 4, 1, 16]),
    packed('gate_up_proj_scales', [2, 4, scales]),
  ];
  await writeSafetensors(join(path, 'model.safetensors'), parts, {});
  return path;
}

describe('notes about tensors', () => {
  const lost =
    'Tensors that have no finite error in any format (weights too large) are kept without loss: big.weight (F32).';

  it('name those without a finite error in the table, in JSON and where the budget is too small', async () => {
    const file = join(folder, 'big.safetensors');
    await writeSafetensors(file, [matrix('big.weight', -3e38), matrix('small.weight')], {});
    const measuring = ['--formats', 'Q4_0,Q8_0', '--device', 'cpu'];
    const text = await quantscope('sensitivity', file, ...measuring);
    expect(text.stdout).toContain(`Note: ${lost}`);
    const { stdout } = await quantscope('sensitivity', file, ...measuring, '--json');
    expect((JSON.parse(stdout) as { notes: string[] }).notes).toEqual([lost]);
    const small = await quantscope('recommend', file, '--budget', '4.5bpw', '--out', out, ...measuring);
    expect(small.code).toBe(1);
    expect(small.stderr).toContain('The budget is too small');
    expect(small.stderr).toContain(lost);
  });

  it('say when a model is opened what cannot be done with it', async () => {
    const model = await undescribed(2);
    const { stdout } = await quantscope('inspect', model);
    expect(stdout).toContain('Note: This model cannot be exported as GGUF or run over a text');
    expect(stdout).toContain(
      'The reason: The checkpoint is already quantized: one matrix is stored in the layout MXFP4',
    );
    expect((await quantscope('inspect', sampleFolder)).stdout).not.toContain('Note:');
  });

  it('name packed experts, which are skipped, and give the reason once why no GGUF can be written', async () => {
    const model = await undescribed(2);
    const left =
      'Not measured, and without a format in plans: model.layers.0.mlp.experts.gate_up_proj_blocks, model.layers.0.mlp.experts.gate_up_proj_scales (U8 values, not weights).';
    const { stdout } = await quantscope('sensitivity', model, '--device', 'cpu', '--json');
    const table = JSON.parse(stdout) as SensitivityTable & { notes: string[] };
    expect(table.notes).toEqual([left]);
    expect(table.skipped!.map(({ tensor }) => tensor)).toEqual([
      'model.layers.0.mlp.experts.gate_up_proj_blocks',
      'model.layers.0.mlp.experts.gate_up_proj_scales',
    ]);
    const reason = 'one matrix is stored in the layout MXFP4';
    const plain = await quantscope('recommend', model, '--budget', '8bpw', '--out', out, '--device', 'cpu');
    expect(plain.stdout).toContain(`Note: ${left}`);
    expect(count(plain.stdout, reason)).toBe(1);
    expect(count(plain.stderr, reason)).toBe(1);
    const asJson = await quantscope(
      ...['recommend', model, '--budget', '8bpw', '--out', out, '--device', 'cpu', '--json'],
    );
    const { notes } = (JSON.parse(asJson.stdout) as { plan: Plan }).plan;
    expect(notes[0]).toMatch(
      /^The plan cannot be used for an export, and is based on the errors of the weights alone: This model cannot be run over a text .* The checkpoint is already quantized/,
    );
    expect(notes.slice(1)).toEqual([left]);
  });
});

describe('packed experts whose blocks and scales fit', () => {
  it('are measured as the weights that they are', async () => {
    const model = await undescribed(1);
    const { stdout } = await quantscope(
      'sensitivity',
      model,
      '--formats',
      'Q8_0',
      '--device',
      'cpu',
      '--json',
    );
    const table = JSON.parse(stdout) as SensitivityTable;
    expect(table.rows.map(({ tensor, shape }) => [tensor, shape])).toEqual([
      ['model.layers.0.self_attn.q_proj.weight', [4, 256]],
      ['model.layers.0.mlp.experts.gate_up_proj', [2, 4, 32]],
    ]);
    expect(table.skipped ?? []).toEqual([]);
  });
});

describe('a model without weights', () => {
  it('is exported without a figure for bits per weight', async () => {
    const bytes = new GgufBytes().start(3, 1, 1).string('general.architecture').u32(8).string('llama');
    const model = writeFile(folder, 'empty.gguf', bytes.tensor('a.weight', [0, 4], 0, 0).data(0));
    const target = join(folder, 'copy.gguf');
    const plain = await quantscope('export', model, '--type', 'COPY', '--out', target);
    expect(plain.stdout).toMatch(/^Written: .* \(\d+ B, no weights, [\d.]+ s\)$/m);
    const preview = await quantscope('export', model, '--type', 'COPY', '--dry-run', '--json');
    expect(JSON.parse(preview.stdout)).not.toHaveProperty('bitsPerWeight');
    expect(preview.stdout).not.toContain('NaN');
  });
});

describe('results that cannot be kept', () => {
  it('are shown, with the reason', async () => {
    const blocked = join(folder, 'blocked');
    mkdirSync(blocked);
    for (const name of ['sensitivity', 'evaluation']) writeFileSync(join(blocked, name), '');
    const run = (...args: string[]): Promise<Ended> =>
      runProgram(cli, [...args, '--device', 'cpu'], { cache: blocked });
    const note = /^Note: These results could not be kept for later: .*(ENOTDIR|EEXIST)/m;
    const measured = await run('sensitivity', sampleFolder, '--weights-only', '--formats', 'Q8_0');
    expect(measured.code, measured.stderr).toBe(0);
    expect(measured.stderr).toMatch(note);
    const text = join(sampleFolder, 'generated-eval.txt');
    const evaluated = await run('eval', sampleFolder, '--text', text, '--windows', '1', '--context', '32');
    expect(evaluated.code, evaluated.stderr).toBe(0);
    expect(evaluated.stderr).toMatch(note);
  });
});
