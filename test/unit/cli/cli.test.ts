import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import packageJson from '../../../package.json';
import type { ModelDescription } from '../../../src/protocol/model';
import type { Plan, SensitivityTable } from '../../../src/protocol/plan';
import {
  safetensorsBytes,
  sampleFolder,
  sampleWeights,
  temporaryFolder,
  writeFile,
} from '../../support/files';
import { buildPrograms, runProgram, type Ended, type RunOptions } from '../../support/programs';

const cache = temporaryFolder();
const folder = temporaryFolder();
/** Codes that are measured in a fraction of the time. */
const reference = ['--codes', 'reference'];
const tensor = 'model.layers.0.self_attn.q_proj.weight';
let cli: string;

beforeAll(async () => {
  cli = (await buildPrograms()).cli;
});

const quantscope = (args: readonly string[], options: Partial<RunOptions> = {}): Promise<Ended> =>
  runProgram(cli, args, { cache, ...options });

/** The one JSON document on stdout of a command that must succeed. */
async function jsonOf<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await quantscope([...args, '--json']);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as T;
}

describe('quantscope', () => {
  it('says its version and lists its commands', async () => {
    expect((await quantscope(['--version'])).stdout.trim()).toBe(packageJson.version);
    const { code, stdout } = await quantscope(['--help']);
    expect(code).toBe(0);
    for (const name of ['inspect', 'stats', 'quantize', 'sensitivity', 'recommend', 'export', 'formats'])
      expect(stdout).toContain(`  ${name}`);
    expect(stdout).toMatch(/\n\nPlan the format of each tensor:\n {2}sensitivity MODEL /);
    expect(stdout).toContain('  quantscope recommend MODEL --fit 7.5GB --ctx-size 8192 --out plan.ampq.json');
    expect((await quantscope(['export', '--help'])).stdout).toContain('--plan P');
  });

  it.each([
    [[], /Usage/],
    [['frobnicate'], /There is no command "frobnicate"\.$/m],
    [['quantise'], /There is no command "quantise"\. Did you mean "quantize"\?/],
    [['inspect'], /inspect takes MODEL; 0 operands were given/],
    [['inspect', 'a', 'b'], /inspect takes MODEL; 2 operands were given/],
    [['compare', 'a'], /compare takes MODEL and OTHER; 1 operand was given/],
    [['inspect', 'a', '--colour'], /inspect has no option --colour\.$/m],
    [['inspect', 'a', '--metdata'], /inspect has no option --metdata\. Did you mean "--metadata"\?/],
    [['stats', 'a'], /--tensor is missing\. “quantscope inspect MODEL” lists/],
    [['stats', sampleWeights, '--tensor', tensor, '--bins', 'many'], /--bins takes a whole number .* "many"/],
    [['export', 'a', '--out', 'x.gguf'], /either --type or --plan/],
    [['export', 'a', '--out', 'x.gguf', '--type', 'F16', '--plan', 'p'], /either --type or --plan/],
    [['export', 'a', '--out', 'x.gguf', '--type', 'F16', '--threads', '0'], /--threads takes a whole number/],
    [['recommend', 'a', '--budget', '4.5', '--out', 'p'], /write 4\.5bpw/],
    [
      ['recommend', 'a', '--budget', '4bpw', '--out', 'p', '--allow', 'q'],
      /--allow takes PATTERN=VALUE, not "q"/,
    ],
    [
      ['recommend', 'a', '--budget', '4bpw', '--out', 'p', '--min', 'q=x'],
      /--min takes PATTERN=N, .* not "x"/,
    ],
    [
      ['recommend', 'a', '--budget', '4bpw', '--out', 'p', '--group', '('],
      /--group: Invalid regular expression/,
    ],
    [['sensitivity', 'a', '--text', 't', '--weights-only'], /Give --text or --weights-only, not both\./],
    [['sensitivity', 'a', '--gains', 'cached', '--text', 't'], /Give --text or --gains, not both\./],
    [['sensitivity', 'a', '--sample-blocks', '2'], /--sample-blocks takes at least 3, not 2\./],
    [['sensitivity', 'a', '--weights-only', '--tokens', '9'], /--tokens.* not to --weights-only\./],
    [['sensitivity', 'a', '--curvature', '--weights-only'], /--curvature .* not to --weights-only\./],
    [['sensitivity', 'a', '--curvature', '--gains', 'cached'], /--curvature .* not to --gains\./],
    [
      ['sensitivity', 'a', '--codes', 'optimised', '--weights-only'],
      /--codes optimised needs a run over a text/,
    ],
    [['sensitivity', 'a', '--backend', 'gpu', '--weights-only'], /--backend .* leave out --weights-only/],
    [
      ['recommend', 'a', '--budget', '4bpw', '--out', 'p', '--codes', 'reference', '--calibration', 't'],
      /are for --codes optimised\./,
    ],
    [['sensitivity', 'a', '--device', 'tpu'], /--device takes auto, cuda, .* or cpu, not "tpu"/],
  ])('ends with 2 and a hint for %j', async (args, hint) => {
    const { code, stdout, stderr } = await quantscope(args);
    expect(code).toBe(2);
    expect(stderr).toMatch(hint);
    expect(stderr).toContain('Usage: quantscope');
    expect(stdout).toBe('');
    // The reason is not pushed out of sight by the list of all options.
    if (args.length > 0) expect(stderr.trimEnd().split('\n')).toHaveLength(4);
  });

  it.each([
    [['stats', sampleWeights, '--tensor', tensor.replace('q_proj', 'qproj')], `Did you mean "${tensor}"?`],
    [['quantize', sampleWeights, '--tensor', tensor, '--format', 'Q4K'], 'Did you mean "Q4_K"?'],
    [
      ['quantize-model', sampleFolder, '--recipe', 'nf4', '--dry-run'],
      'Did you mean "bnb-nf4" or "bnb-nf4-dq"?',
    ],
    [['inspect', join(sampleFolder, 'absent')], 'The file or folder does not exist. ('],
  ])('says what is near a wrong name: %j', async (args, suggestion) => {
    const { code, stderr } = await quantscope(args);
    expect(code).toBe(1);
    expect(stderr).toContain(suggestion);
  });

  it('ends with 1 and a sentence when a job fails, also as JSON', async () => {
    const args = ['stats', sampleWeights, '--tensor', 'no.such'];
    const { code, stdout, stderr } = await quantscope([...args, '--json']);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toEqual({
      error: {
        code: 'REQUEST',
        message: expect.stringContaining('no.such') as string,
        file: sampleWeights,
        tensor: 'no.such',
      },
    });
    expect(stderr).toMatch(/^quantscope: .*no\.such/);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect((await quantscope(args)).stdout).toBe('');
  });

  it('names file and offset of a damaged file', async () => {
    const file = writeFile(folder, 'short.safetensors', safetensorsBytes('{"a":', 0));
    const { code, stdout } = await quantscope(['inspect', file, '--json']);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'MODEL_FILE', file } });
  });

  it('inspects the sample', async () => {
    const model = await jsonOf<ModelDescription>('inspect', sampleFolder);
    expect(model.tensors).toHaveLength(57);
    expect(model.tensors.find(({ name }) => name === tensor)).toMatchObject({
      dtype: 'BF16',
      shape: [256, 256],
    });
    expect(model).toMatchObject({ identity: { layers: 6, kvHeads: 2, tokenizer: 'GPT2Tokenizer' } });
    const { stdout } = await quantscope(['inspect', sampleFolder]);
    expect(stdout).toMatch(/^Heads +4, 2 for keys and values$/m);
    expect(stdout).toMatch(/model\.layers\.0\.self_attn\.q_proj\.weight +BF16 +\[256, 256\]/);
  });

  it('prints the histogram of a tensor, in as many bars as asked for', async () => {
    const barsOf = async (...args: string[]): Promise<number[]> => {
      const { stdout } = await quantscope(['stats', sampleWeights, '--tensor', tensor, ...args]);
      return [...stdout.matchAll(/^ *[-\d.e]+ +([\d,]+)(?: +█+)?$/gm)].map(([, count]) =>
        Number(count!.replaceAll(',', '')),
      );
    };
    for (const bars of [await barsOf(), await barsOf('--bins', '7')])
      expect(bars.reduce((sum, count) => sum + count, 0)).toBe(256 * 256);
    expect(await barsOf('--bins', '7')).toHaveLength(7);
  });

  it('counts a histogram over a range, and what is beyond multiples of σ', async () => {
    const args = ['stats', sampleWeights, '--tensor', tensor];
    const { stdout } = await quantscope([...args, '--bins', '5', '--range=-0.01:0.01']);
    const counts = [
      ...stdout.matchAll(/^ *[-\d.e]+ +([\d,]+)(?: +█+)?$|(?:: |, )([\d,]+) (?:below|above)/gm),
    ];
    const total = counts.reduce((sum, [, bar, rest]) => sum + Number((bar ?? rest)!.replaceAll(',', '')), 0);
    expect([counts.length, total]).toEqual([7, 256 * 256]);
    expect(stdout).toMatch(/^root mean square \(σ\) +0\.0\d+$/m);
    expect(stdout).toMatch(/^beyond 3 σ +\d+$/m);
    for (const range of ['1', '1:0', 'a:b', ':1', '0:1:2'])
      expect((await quantscope([...args, `--range=${range}`])).stderr).toContain('--range takes two numbers');
  });

  it('scans all tensors, as a table and as CSV, which never replaces the model', async () => {
    const csv = join(folder, 'scan.csv');
    const args = ['scan', sampleFolder, '--format', 'Q8_0'];
    const { stdout } = await quantscope([...args, '--csv', csv]);
    expect(stdout).toMatch(/^model\.norm\.weight +\d/m);
    const lines = readFileSync(csv, 'utf8').trimEnd().split('\r\n');
    expect(lines).toHaveLength(58);
    expect(lines[0]).toMatch(/^tensor,absMax,.*,relativeError Q8_0$/);
    expect(lines[1]!.split(',')).toHaveLength(lines[0]!.split(',').length);
    const onInput = await quantscope([...args, '--csv', sampleWeights]);
    expect([onInput.code, onInput.stderr]).toEqual([1, expect.stringContaining(sampleWeights)]);
    const { stderr } = await quantscope(['scan', sampleFolder, '--format', 'Q9']);
    expect(stderr).toContain('Q9');
  });

  it('writes infinities and NaN of a tensor as texts', async () => {
    const bytes = safetensorsBytes({ odd: { dtype: 'F32', shape: [1, 4], data_offsets: [0, 16] } }, 16);
    new Float32Array([1, 2, NaN, Infinity]).forEach((x, i) =>
      bytes.writeFloatLE(x, bytes.length - 16 + 4 * i),
    );
    const { stdout, code } = await quantscope([
      ...['stats', writeFile(folder, 'odd.safetensors', bytes)],
      ...['--tensor', 'odd', '--json'],
    ]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ statistics: { nans: 1, infinities: 1 } });
  });

  it('measures a format, and writes the tensor', async () => {
    const out = join(folder, 'q.safetensors');
    const measured = await jsonOf<{ bitsPerWeight: number; error: { sqnr: number } }>(
      ...['quantize', sampleWeights, '--tensor', tensor, '--format', 'Q8_0'],
    );
    expect(measured.bitsPerWeight).toBe(8.5);
    expect(measured.error.sqnr).toBeGreaterThan(35);
    await jsonOf('quantize', sampleWeights, '--tensor', tensor, '--format', 'Q8_0', '--out', out);
    const written = await jsonOf<ModelDescription>('inspect', out);
    expect(written.tensors.map(({ name }) => name)).toContain(tensor);
  });

  it('measures, recommends within the budget and exports what it recommends', async () => {
    const measured = ['sensitivity', sampleFolder, '--device', 'cpu', ...reference];
    const table = await jsonOf<SensitivityTable>(...measured);
    expect(table.rows).toHaveLength(44);
    for (const [i, budget] of [3_000_000, 3_200_000, 4_000_000].entries()) {
      const plan = join(folder, `p${i}.ampq.json`);
      const out = join(folder, `p${i}.gguf`);
      await jsonOf('recommend', sampleFolder, '--budget', `${budget}B`, '--out', plan, ...reference);
      const exported = await jsonOf<{ tensors: { name: string; to: string }[] }>(
        ...['export', sampleFolder, '--plan', plan, '--out', out],
      );
      expect(statSync(out).size).toBeLessThanOrEqual(budget);
      expect(statSync(out).size).toBeGreaterThan(budget * 0.98);
      const { assignments, total } = JSON.parse(readFileSync(plan, 'utf8')) as Plan;
      expect(total.fileBytes).toBe(statSync(out).size);
      const types = new Map(exported.tensors.map(({ name, to }) => [name, to]));
      for (const item of assignments) expect(types.get(item.tensor), item.tensor).toBe(item.format);
    }
  });

  it('keeps a budget in bytes for a model that is quantized already, too', async () => {
    const [source, plan, out] = ['q8.gguf', 'q8.ampq.json', 'smaller.gguf'].map((name) => join(folder, name));
    await jsonOf('export', sampleFolder, '--type', 'Q8_0', '--out', source!);
    const budget = 3_200_000;
    const call = ['recommend', source!, '--budget', `${budget}B`, '--device', 'cpu', '--weights-only'];
    await jsonOf(...call, '--out', plan!);
    await jsonOf('export', source!, '--plan', plan!, '--allow-requantize', '--out', out!);
    expect(statSync(out!).size).toBeLessThanOrEqual(budget);
    expect(statSync(out!).size).toBeGreaterThan(budget * 0.98);
  });

  it('says the smallest budget that there is, and writes no plan', async () => {
    const out = join(folder, 'never.ampq.json');
    const call = ['recommend', sampleFolder, '--budget', '2bpw', '--out', out, ...reference];
    const { code, stderr } = await quantscope(call);
    expect(code).toBe(1);
    expect(stderr).toMatch(/at least 2\.6250 bits per weight/);
    expect(stderr).not.toContain('gains are measured in Q2_K'); // they could not help
    expect(existsSync(out)).toBe(false);
  });

  it('announces before it measures what it will do and how long that takes', async () => {
    const empty = { cache: temporaryFolder() };
    const announced = async () =>
      (await quantscope(['sensitivity', sampleFolder, '--device', 'cpu', '--json', ...reference], empty))
        .stderr;
    expect(await announced()).toMatch(
      /^44 tensors in Q2_K, .*, F16; the model is run over 2,048 tokens of generated-calibration\.txt\nThis takes about \d+ s and [\d.]+ MB of memory, in one pass over the model;/,
    );
    expect(await announced()).toMatch(
      /^44 tensors in Q2_K, .*, F16; the model was run over 2,048 tokens of generated-calibration\.txt\nThis takes about \d+ s;/,
    );
  });

  it('measures optimised codes by default where the model is run over a text', async () => {
    const model = join(folder, 'one-layer.gguf');
    const pruned = ['--type', 'F32', '--prune-layers', '1,2,3,4,5', '--out', model];
    await quantscope(['export', sampleFolder, ...pruned]);
    const over = ['--text', join(sampleFolder, 'generated-calibration.txt'), '--tokens', '256'];
    const call = ['sensitivity', model, '--device', 'cpu', '--formats', 'Q8_0', ...over];
    const { stdout, stderr } = await quantscope([...call, '--calibration-tokens', '512', '--json']);
    expect((JSON.parse(stdout) as SensitivityTable).codes).toMatchObject({
      ...{ text: 'generated-calibration.txt', tokens: 512 },
    });
    expect(stderr).toContain(
      'Codes are optimised over 512 tokens of generated-calibration.txt; --codes reference measures those of llama.cpp.',
    );
  });

  it('shows what was measured, what follows from it, and nothing below the noise', async () => {
    const { stdout } = await quantscope(['sensitivity', sampleFolder, '--device', 'cpu', ...reference]);
    expect(stdout).toMatch(/Measured: the figures with \*, over 2,048 tokens .* in windows of 256\./);
    const output = stdout.split('\n').find((line) => line.startsWith('output.weight'))!;
    expect(output.match(/\S+\*/g)).toHaveLength(1);
    expect(output.endsWith('< noise')).toBe(true); // F16 of a BF16 model
  });

  it('shows no divergence below the noise in plans', async () => {
    const out = join(folder, 'everything.ampq.json');
    const call = [
      'recommend',
      sampleFolder,
      '--device',
      'cpu',
      '--budget',
      '8GB',
      '--out',
      out,
      ...reference,
    ];
    const { stdout } = await quantscope(call);
    expect(stdout).toContain(', predicted KL divergence < noise nats per token\n');
    expect(stdout).toContain(
      'F16 (10.53 MB) is predicted as good: both KL divergences are below the noise of the measurement.',
    );
  });

  it('adds smaller formats where the budget requires them, and warns at three bits', async () => {
    const plan = join(folder, 'small.ampq.json');
    const call = ['recommend', sampleFolder, '--device', 'cpu', '--weights-only', '--out', plan];
    const { stderr, stdout } = await quantscope([...call, '--budget', '2.6MB']);
    expect(stderr.match(/\w+ is added/g)).toEqual(['IQ4_XS is added', 'IQ3_S is added']);
    expect(stdout).toMatch(/^By the errors of the weights and the roles of tensors: /m);
    const { total, notes, preset } = JSON.parse(readFileSync(plan, 'utf8')) as Plan;
    expect(total.bytes).toBeLessThan(2_600_000);
    expect(notes).toEqual([
      'The plan is based on the errors of the weights alone: this was requested.',
      'Presets within the budget that the plan is not compared with, as they need an importance matrix: IQ3_XS, IQ3_XXS, IQ2_M and 6 more.',
    ]);
    expect(preset!.bytes).toBeLessThan(2_600_000);
    const smallest = await quantscope([...call, '--budget', '2.9bpw']);
    expect(smallest.stdout).toMatch(/^Note: At 2\.\d\d bits per weight a model loses a lot/m);
  });

  it('keeps to constraints, which the plan carries, and says which is in the way of the budget', async () => {
    const plan = join(folder, 'constrained.ampq.json');
    const call = ['recommend', sampleFolder, '--device', 'cpu', '--weights-only', '--out', plan];
    const [allow, group] = ['output=Q8_0', 'attn_(q|k|v)'];
    await jsonOf(...call, '--budget', '5bpw', '--allow', allow, '--group', group, '--min', 'ffn_down=5');
    const { assignments, constraints } = JSON.parse(readFileSync(plan, 'utf8')) as Plan;
    expect(constraints).toEqual([
      { tensors: 'output', allow: ['Q8_0'] },
      { tensors: 'ffn_down', minBits: 5 },
      { tensors: group, agree: true },
    ]);
    const formatsOf = (name: string) =>
      new Set(assignments.filter(({ tensor }) => tensor.includes(name)).map(({ format }) => format));
    expect([...formatsOf('output.weight')]).toContain('Q8_0');
    for (let layer = 0; layer < 6; layer++) expect(formatsOf(`blk.${layer}.attn_`).size).toBeLessThan(3);
    for (const { tensor, bitsPerWeight } of assignments)
      if (tensor.includes('ffn_down')) expect(bitsPerWeight, tensor).toBeGreaterThanOrEqual(5);
    const { code, stderr } = await quantscope([...call, '--budget', '4bpw', '--min', 'ffn=6']);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /The budget is too small: .*\. Without --min ffn=6 it takes at least 2\.6250 bits/,
    );
  });

  it('stops at SIGINT with 130 and leaves no file', async () => {
    const own = temporaryFolder();
    const interrupted = await quantscope(['sensitivity', sampleFolder, '--device', 'cpu', '--json'], {
      cache: own,
      interruptAt: '/528 ',
    });
    expect(interrupted).toMatchObject({ code: 130, signal: null });
    expect(JSON.parse(interrupted.stdout)).toMatchObject({ error: { code: 'CANCELLED' } });

    const out = temporaryFolder();
    const stopped = await quantscope(
      ['export', sampleFolder, '--type', 'Q4_K_M', '--out', join(out, 'x.gguf')],
      { interruptAt: ' % ' },
    );
    expect(stopped).toMatchObject({ code: 130, signal: null });
    expect(readdirSync(out)).toEqual([]);
  });

  it('compares a GGUF file with its source, and fails where it is another model', async () => {
    const file = join(folder, 'proven.gguf');
    expect((await quantscope(['export', sampleFolder, '--type', 'Q4_0', '--out', file])).code).toBe(0);
    const proven = await quantscope(['verify', file, '--source', sampleFolder]);
    expect(proven.code, proven.stderr).toBe(0);
    expect(proven.stdout).toMatch(/^Q4_0 +43 .* without importance$/m);
    expect(proven.stdout).toContain('Proven: all 57 tensors are bit for bit those of the source.');
    const bytes = readFileSync(file);
    bytes[bytes.length - 5]! ^= 8;
    const edited = writeFile(folder, 'edited.gguf', bytes);
    const { code, stdout, stderr } = await quantscope(['verify', edited, '--source', sampleFolder]);
    expect([code, stderr]).toEqual([1, expect.stringContaining('1 tensor of 57: 1 damaged or edited')]);
    expect(stdout).toMatch(/^blk\.5\.\S+ +\w+ +damaged or edited +byte [\d,]+, row \d+ +1 of /m);
    const other = await quantscope(['verify', file, '--source', file]);
    expect([other.code, other.stderr]).toEqual([1, expect.stringContaining('not its own source')]);
  });
});
