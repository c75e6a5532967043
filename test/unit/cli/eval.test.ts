import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { EvaluationResult } from '../../../src/protocol/evaluation';
import { embeddingCheckpoints } from '../../support/embeddingCheckpoints';
import { sampleFolder, temporaryFolder, writeFile } from '../../support/files';
import {
  buildPrograms,
  runProgram,
  type Ended,
  type Programs,
  type RunOptions,
} from '../../support/programs';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();
const text = join(sampleFolder, 'generated-eval.txt');
const few = ['--windows', '3', '--device', 'cpu'];
let programs: Programs;

const quantscope = (args: readonly string[], options: Partial<RunOptions> = {}): Promise<Ended> =>
  runProgram(programs.cli, args, { cache: folder, ...options });

async function evaluated(...args: string[]): Promise<EvaluationResult> {
  const { code, stdout, stderr } = await quantscope(['eval', sampleFolder, ...few, ...args, '--json']);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as EvaluationResult;
}

beforeAll(async () => {
  programs = await buildPrograms();
});

describe('quantscope eval --pairs', () => {
  it('prints how many queries find their document, beside the original', async () => {
    const model = join(folder, 'bert');
    await writeCheckpoint(model, embeddingCheckpoints['BERT']!);
    const lines = ['love', 'war', 'night'].map((query) => JSON.stringify({ query, document: `${query}s` }));
    const pairs = writeFile(folder, 'pairs.jsonl', lines.join('\n'));
    const { code, stdout, stderr } = await quantscope([
      ...['eval', model, '--pairs', pairs, '--type', 'Q4_0', '--device', 'cpu'],
    ]);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^bert: Q4_0\n.*pairs\.jsonl: 3 pairs, 3 documents, 6 texts, pooling: first\n/);
    expect(stdout).toMatch(/^own document first +[\d.]+( ± [\d.]+)? % \(original [\d.]+( ± [\d.]+)? %\)$/m);
    expect(stdout).toMatch(/^cosine with the original, mean +0\.9\d+/m);
  });
});

describe('quantscope eval', () => {
  it.each([
    [['eval', 'm'], /Give --text, --tasks or both/],
    [
      ['eval', 'm', '--text', 't', '--type', 'Q4_0', '--format', 'nf4'],
      /--plan, --type, --format and --recipe are mutually exclusive/,
    ],
    [['eval', 'm', '--text', 't', '--imatrix', 'i.gguf'], /--imatrix needs --plan, --type or --format/],
    [
      ['eval', 'm', '--text', 't', '--convention', 'mine'],
      /--convention takes llama\.cpp or sliding, not "mine"/,
    ],
    [['eval', 'm', '--text', 't', '--stride', '8'], /--stride needs --convention sliding/],
    [
      ['eval', 'm', '--text', 't', '--recipe', 'w8a8', '--round-activations'],
      /--round-activations does not go with --recipe/,
    ],
    [
      ['eval', 'm', '--text', 't', '--convention', 'sliding', '--context', '64', '--stride', '65'],
      /--stride is larger than --context/,
    ],
    [['eval', 'm', '--pairs', 'p', '--text', 't'], /--text does not go with --pairs/],
    [['eval', 'm', '--pairs', 'p', '--context', '64'], /--context does not go with --pairs/],
    [['eval', 'm', '--pairs', 'p', '--imatrix', 'i'], /--imatrix needs --plan, --type or --format/],
    [['eval', 'm', '--pairs', 'p', '--type', 'Q4_0', '--format', 'nf4'], /are mutually exclusive/],
    [['eval', 'm', '--text', 't', '--windows', '0'], /--windows takes a whole number of at least 1, not "0"/],
    [['eval', 'm', '--text', 't', '--memory', 'half'], /--memory takes auto, whole or streamed, not "half"/],
    [['eval', 'm', '--text', 't', '--device', 'tpu'], /--device takes auto, .* or cpu, not "tpu"/],
  ])('ends with 2 and a hint for %j', async (args, hint) => {
    const { code, stdout, stderr } = await quantscope(args);
    expect(code).toBe(2);
    expect(stderr).toMatch(hint);
    expect(stderr).toContain('Usage: quantscope eval MODEL');
    expect(stdout).toBe('');
  });

  it('scores the second halves of windows of the model’s context', async () => {
    const { variant, text: scored, measures, bytes } = await evaluated('--text', text);
    expect(variant).toBe('original');
    expect(bytes).toBe(2 * 5_246_208);
    expect(scored).toMatchObject({ convention: 'llama.cpp', context: 256, windows: 3 });
    expect(scored!.perplexity.value).toBeCloseTo(Math.exp(scored!.loss.value), 9);
    // Text that the model wrote itself.
    expect(scored!.perplexity.value).toBeGreaterThan(2);
    expect(scored!.perplexity.value).toBeLessThan(20);
    expect(scored!.divergence).toBeUndefined();
    expect(measures.tokensPerSecond).toBeGreaterThan(0);
  });

  it('measures what a file type and a format cost, from the model itself', async () => {
    const small = await evaluated('--text', text, '--type', 'Q4_0');
    const large = await evaluated('--text', text, '--type', 'Q8_0');
    expect([small.variant, large.variant]).toEqual(['Q4_0', 'Q8_0']);
    expect(small.text!.hash).toBe(large.text!.hash);
    expect(small.bytes).toBeLessThan(large.bytes);
    const [worse, better] = [small.text!.divergence!, large.text!.divergence!];
    expect(worse.mean.value).toBeGreaterThan(5 * better.mean.value);
    expect(worse.sameTopToken.value).toBeLessThan(better.sameTopToken.value);
    expect(better.mean.value).toBeGreaterThan(0);
    const format = await evaluated('--text', text, '--format', 'nf4');
    expect(format.text!.divergence!.mean.value).toBeGreaterThan(better.mean.value);
  });

  it('finds no divergence of a model from its own F32 file', async () => {
    const file = join(folder, 'same.gguf');
    await quantscope(['export', sampleFolder, '--type', 'F32', '--out', file]);
    const { text: scored } = await evaluated('--text', text, '--against', file);
    expect(scored!.divergence!.mean.value).toBeLessThan(1e-6);
    expect(scored!.divergence!.sameTopToken.value).toBe(1);
  });

  it('evaluates a plan', async () => {
    const plan = join(folder, 'tiny.ampq.json');
    await quantscope([
      ...['recommend', sampleFolder, '--budget', '5bpw', '--codes', 'reference'],
      ...['--out', plan, '--device', 'cpu'],
    ]);
    const { variant, text: scored } = await evaluated('--text', text, '--plan', plan);
    expect(variant).toBe('tiny.ampq.json');
    expect(scored!.divergence!.mean.value).toBeGreaterThan(0);
  });

  it('answers questions', async () => {
    const lines = readFileSync(text, 'utf8').split('\n').filter(Boolean).slice(0, 6);
    const questions = lines.map((line) => ({
      ...{ question: line.slice(0, line.length / 2), answer: 0 },
      choices: [line.slice(line.length / 2), 'zqx 77 ## zqx'],
    }));
    const file = writeFile(folder, 'q.jsonl', questions.map((item) => JSON.stringify(item)).join('\n'));
    const { tasks, text: scored } = await evaluated('--tasks', file);
    expect(scored).toBeUndefined();
    expect(tasks!.questions).toBe(6);
    // The actual continuation is likelier than noise.
    expect(tasks!.accuracy.value).toBeGreaterThan(0.8);
  });

  it('prints its figures as a table, and where it is on stderr', async () => {
    const sliding = ['--convention', 'sliding', '--context', '64', '--stride', '32'];
    const args = ['eval', sampleFolder, '--text', text, '--type', 'Q4_K_M', ...few, ...sliding];
    const { code, stdout, stderr } = await quantscope(args);
    expect(code, stderr).toBe(0);
    expect(stdout).toContain(': Q4_K_M\n');
    expect(stdout).toMatch(/generated-eval\.txt: 3 sliding windows of 64, stride 32, [\d,]+ tokens scored/);
    for (const figure of ['perplexity', 'mean KLD, nats', '99.9 % KLD', 'same top token', 'peak memory'])
      expect(stdout).toMatch(new RegExp(`^${figure} +\\S`, 'm'));
    expect(stdout).toMatch(/^perplexity +\d+\.\d{3} ± \d/m);
    expect(stderr).toMatch(/^1\/\d+ .*block 1 of 6/);
  });

  it('ends with 1 and names a text that is too short', async () => {
    const short = writeFile(folder, 'short.txt', 'To be');
    const { code, stderr } = await quantscope(['eval', sampleFolder, '--text', short, '--device', 'cpu']);
    expect(code).toBe(1);
    expect(stderr).toContain('short.txt');
  });

  it('stops at SIGINT', async () => {
    const sliding = ['--convention', 'sliding', '--stride', '8', '--device', 'cpu', '--json'];
    // The progress has the perplexity so far.
    const stopped = await quantscope(['eval', sampleFolder, '--text', text, ...sliding], {
      interruptAt: 'perplexity',
    });
    expect(stopped).toMatchObject({ code: 130, signal: null });
    expect(JSON.parse(stopped.stdout)).toMatchObject({ error: { code: 'CANCELLED' } });
  });
});
