import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Plan } from '../../../src/protocol/plan';
import { tools } from '../../../src/tools/tools';
import { engineJobs } from '../../support/engineJobs';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { copyOfSample, editJson } from '../doctor/support';
import { connectMcp, textOf, type ConnectOptions } from '../../support/mcpClient';
import { buildPrograms, runProgram, type Programs } from '../../support/programs';

const cache = temporaryFolder();
const { request } = engineJobs(cache);
let programs: Programs;

beforeAll(async () => {
  programs = await buildPrograms();
});

const connect = (options: Partial<ConnectOptions> = {}) =>
  connectMcp({ cli: programs.cli, cache, args: ['--root', sampleFolder], ...options });

const tensor = 'model.layers.0.mlp.down_proj.weight';

it('lists the tools of the table with closed schemas, and which of them write', async () => {
  const { client } = await connect();
  const listed = (await client.listTools()).tools;
  expect(listed.map(({ name }) => name)).toEqual(tools.map(({ name }) => name));
  for (const { name, inputSchema, outputSchema, annotations } of listed) {
    expect(inputSchema, name).toMatchObject({ type: 'object', additionalProperties: false });
    expect(inputSchema.required, name).toContain('model');
    expect(outputSchema, name).toMatchObject({ type: 'object' });
    expect(annotations?.readOnlyHint, name).toBe(!/^(write|export)_/.test(name));
  }
});

describe('reading tools', () => {
  it('say what a model is, and list the tensors that are asked for', async () => {
    const { call } = await connect();
    const result = await call('inspect_model', { model: '.', contains: 'down_proj', first: 1, count: 2 });
    const opened = JSON.parse(
      (await runProgram(programs.cli, ['inspect', sampleFolder, '--json'], { cache })).stdout,
    ) as { parameters: number; tensors: { name: string }[] };
    const names = opened.tensors.map(({ name }) => name).filter((name) => name.includes('down_proj'));
    expect(result.structuredContent).toMatchObject({
      ...{ architecture: 'llama', format: 'safetensors', parameters: opened.parameters },
      ...{ matching: names.length, tensors: names.slice(1, 3).map((name) => ({ name })) },
    });
    expect(textOf(result)).toContain(`Tensors 2 to 3 of ${names.length}:\n${names[1]}: `);
  });

  it('say what is wrong with a model and where, with or without its weights', async () => {
    const folder = copyOfSample();
    const { call } = await connect({ args: ['--root', folder] });
    expect(await call('run_doctor', { model: '.' })).toMatchObject({
      structuredContent: { findings: [], omitted: 0, checkedBytes: 10_492_416 },
    });
    editJson(folder, 'generation_config.json', (json) => (json['eos_token_id'] = 5));
    const { structuredContent } = await call('run_doctor', { model: folder, weights: false });
    const finding = {
      code: 'special-tokens/disagree',
      severity: 'warning',
      line: expect.any(Number) as number,
    };
    expect(structuredContent).toMatchObject({
      ...{ findings: [finding], checkedBytes: 0, notes: ['Weights were not read.'] },
    });
    const unknown = await call('run_doctor', { model: folder, only: ['values/none'] });
    expect(JSON.stringify(unknown)).toContain('There is no code');
  });

  it('give the figures of the engine for a tensor, its errors and why formats are refused', async () => {
    const { call } = await connect();
    const named = { path: sampleFolder, tensor };
    const formats = ['Q4_K', 'Q2_K', 'IQ2_XXS'];

    const [analysis, compared] = await Promise.all([
      request('tensor/analyse', named),
      request('tensor/compare', { ...named, formats }),
    ]);
    const { count, kurtosis } = analysis.statistics;
    const statistics = { count, kurtosis, sigma: analysis.outlierCounts.sigma };
    expect(await call('tensor_statistics', { model: sampleFolder, tensor })).toMatchObject({
      structuredContent: { tensor, statistics },
    });
    const explained = await call('explain_tensor', { model: sampleFolder, tensor, formats });
    expect(explained.structuredContent).toMatchObject({
      ...{ tensor, statistics, storedBytes: compared.sourceBytes },
      errors: compared.formats.map(({ format, bytes, error }) => ({
        ...{ format, bytes, relativeError: error.relativeError },
        sqnr: Number.isFinite(error.sqnr) ? error.sqnr : null,
      })),
      refused: compared.refused,
    });
    expect(compared.refused.map(({ format }) => format)).toEqual(['IQ2_XXS']);
    expect(textOf(explained)).toContain('The effect on the output was not measured');
  });

  it('estimate what fits into a memory', async () => {
    const { call } = await connect();
    const result = await call('estimate', {
      ...{ model: '.', formats: ['stored', 'q4_k_m', 'bnb-nf4'], context: 64, memory: '9MB' },
    });
    const estimate = await request('model/estimate', {
      ...{ path: sampleFolder, context: 64 },
      targets: [{ kind: 'stored' }, { kind: 'type', type: 'Q4_K_M' }, { kind: 'recipe', recipe: 'bnb-nf4' }],
    });
    const { cacheBytes, computeBytes } = estimate.memory!;
    const formats = estimate.targets.map(({ label, weights }) => {
      const totalBytes = weights!.bytes + cacheBytes + computeBytes;
      return { format: label, totalBytes, fits: totalBytes <= 9e6 };
    });
    expect(result.structuredContent).toMatchObject({ context: 64, cacheBytes, computeBytes, formats });
    expect(formats.map(({ fits }) => fits)).toContain(true);
    expect(formats.map(({ fits }) => fits)).toContain(false);
  });

  it('recommend a plan within a budget, write nothing, and report growing progress', async () => {
    const { call } = await connect();
    const steps: number[] = [];
    const result = await call(
      'recommend_plan',
      { model: '.', budget: '4.9bpw', weightsOnly: true },
      { onprogress: ({ progress }) => steps.push(progress) },
    );
    const { bitsPerWeight, recommended } = result.structuredContent as {
      bitsPerWeight: number;
      recommended: boolean;
    };
    expect(bitsPerWeight).toBeLessThanOrEqual(4.9);
    expect(recommended).toBe(false); // the effect on the output was not measured
    expect(steps.length).toBeGreaterThan(0);
    expect(steps).toEqual([...new Set(steps)].sort((a, b) => a - b));
  });

  it('explain a tensor by what was measured over a text', async () => {
    const folder = temporaryFolder();
    const [model, text] = [join(folder, 'one-layer.gguf'), join(folder, 'short.txt')];
    await request('export/gguf', {
      path: sampleFolder,
      type: 'F32',
      pruneLayers: [1, 2, 3, 4, 5],
      out: model,
    });
    const whole = readFileSync(join(sampleFolder, 'generated-calibration.txt'), 'utf8');
    writeFileSync(text, whole.slice(0, 2000));
    const { call } = await connect({ args: ['--root', folder] });
    const planned = await call('recommend_plan', { model, budget: '5bpw', text });
    expect(textOf(planned)).toContain('Evidence: rung 3 of 4, gains');
    const asked = { model, tensor: 'blk.0.ffn_down.weight', formats: ['Q4_K'] };
    const { structuredContent } = await call('explain_tensor', asked);
    const table = await request('sensitivity/stored', { path: model, cacheDir: join(cache, 'sensitivity') });
    const row = table!.rows.find((item) => item.tensor === asked.tensor)!;
    const { relativeSquaredError } = row.cells.find(({ format }) => format === 'Q4_K')!;
    expect(structuredContent).toMatchObject({
      gain: row.gain!,
      errors: [{ format: 'Q4_K', divergence: row.gain! * relativeSquaredError }],
    });
  });

  it.each([
    ['an unknown field', 'inspect_model', { model: '.', path: 'x' }, 'path'],
    ['an unknown tensor', 'tensor_statistics', { model: '.', tensor: 'nothing' }, 'nothing'],
    ['two goals', 'recommend_plan', { model: '.', budget: '4bpw', divergence: 1 }, 'Give exactly one of'],
    ['a size that is none', 'estimate', { model: '.', memory: 'much' }, '"memory" takes a size'],
    ['an unknown format', 'estimate', { model: '.', formats: ['Q4_K_N'] }, 'There is no format "Q4_K_N"'],
  ])('answer %s with an error that names it', async (_, name, input, message) => {
    const { call } = await connect();
    const result = await call(name, input);
    expect(result.isError).toBe(true);
    expect(textOf(result)).toContain(message);
  });
});

describe('writing tools', () => {
  const asked = { model: sampleFolder, budget: '5bpw', weightsOnly: true };

  it('write after the user has agreed to what is written where, and not over a file that is there', async () => {
    const folder = temporaryFolder();
    const questions: string[] = [];
    const args = ['--root', sampleFolder, '--root', folder];
    const answer = (question: string) => (questions.push(question), 'accept' as const);
    const { call } = await connect({ args, answer });
    const [plan, out] = [join(folder, 'sample.ampq.json'), join(folder, 'sample.gguf')];
    const planned = await call('write_plan', { ...asked, out: plan });
    expect(planned.structuredContent).toMatchObject({ out: plan });
    const { total } = JSON.parse(readFileSync(plan, 'utf8')) as Plan;
    const exported = await call('export_gguf', { model: sampleFolder, plan, out });
    expect(exported.structuredContent).toMatchObject({ out, bytes: total.fileBytes });
    expect(readFileSync(out).length).toBe(total.fileBytes);
    expect(questions).toEqual([
      `Write a plan of ${sampleFolder} to ${plan}.`,
      expect.stringContaining(`Write ${sampleFolder} as GGUF by ${plan} to ${out}: `),
    ]);
    const again = await call('export_gguf', { model: sampleFolder, type: 'Q8_0', out });
    expect(textOf(again)).toBe(`${out} exists: "overwrite" permits to replace it.`);
    expect(readFileSync(out).length).toBe(total.fileBytes);
    await call('export_gguf', { model: sampleFolder, type: 'Q8_0', out, overwrite: true });
    expect(questions[2]).toContain('This replaces the file that is there.');
    expect(readFileSync(out).length).toBeGreaterThan(total.fileBytes!);
  });

  it.each(['decline', 'cancel'] as const)('write nothing where the user answers %s', async (answer) => {
    const folder = temporaryFolder();
    const args = ['--root', sampleFolder, '--root', folder, '--allow-write'];
    const { call } = await connect({ args, answer: () => answer });
    const out = join(folder, 'sample.gguf');
    const result = await call('export_gguf', { model: sampleFolder, type: 'Q8_0', out });
    expect(textOf(result)).toBe('The user did not agree. Nothing was written.');
    expect(existsSync(out)).toBe(false);
  });

  it('write without a question only with --allow-write where the client cannot ask', async () => {
    const folder = temporaryFolder();
    const out = join(folder, 'sample.ampq.json');
    const args = ['--root', sampleFolder, '--root', folder];
    const refused = await (await connect({ args })).call('write_plan', { ...asked, out });
    expect(refused.isError).toBe(true);
    expect(textOf(refused)).toContain('--allow-write');
    expect(existsSync(out)).toBe(false);
    const allowed = await connect({ args: [...args, '--allow-write'] });
    expect((await allowed.call('write_plan', { ...asked, out })).isError).toBeUndefined();
    expect(existsSync(out)).toBe(true);
  });
});

it('cancels the work of a call, and answers others meanwhile', async () => {
  const folder = temporaryFolder();
  const { call } = await connect({ cache: folder });
  const controller = new AbortController();
  const started = new Promise<void>((resolve) => {
    const input = { model: '.', budget: '5bpw' };
    const options = { signal: controller.signal, onprogress: () => resolve() };
    call('recommend_plan', input, options).catch(() => undefined);
  });
  await started;
  const other = await call('inspect_model', { model: '.', count: 0 });
  expect(other.structuredContent).toMatchObject({ architecture: 'llama' });
  controller.abort();
  const after = await call('recommend_plan', { model: '.', budget: '5bpw', weightsOnly: true });
  expect(after.isError).toBeUndefined();
});

it('writes nothing but messages to stdout, and ends when stdin does', async () => {
  const child = spawn(process.execPath, [programs.cli, 'mcp', '--root', sampleFolder], {
    env: { ...process.env, QUANTSCOPE_CACHE: cache },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  let stdout = '';
  child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
  const clientInfo = { name: 'test', version: '1' };
  const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo };
  child.stdin.end(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params })}\n`);
  const code = await new Promise((resolve) => child.on('close', resolve));
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ id: 1, result: { serverInfo: { name: 'quantscope' } } });
});

it('refuses a root that is no folder', async () => {
  const { code, stderr } = await runProgram(programs.cli, ['mcp', '--root', 'nowhere'], { cache });
  expect(code).toBe(2);
  expect(stderr).toContain('--root takes a folder; there is none at ');
});

it('refuses --json, whose document would stand among the messages', async () => {
  const { code, stderr } = await runProgram(programs.cli, ['mcp', '--json'], { cache });
  expect(code).toBe(2);
  expect(stderr).toContain('mcp has no --json');
});
