import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createJobs } from '../../src/engine/jobs';
import { OpenModels } from '../../src/engine/models';
import { peakMemory, resetPeakMemory } from '../../src/evaluation/measures';
import { median } from '../../src/evaluation/statistics';
import { openTokenizer } from '../../src/evaluation/tokenizer/openTokenizer';
import { weightForms } from '../../src/exporter/onnx/weightForms';
import { openModel } from '../../src/layouts/openModel';
import type { OnnxResult } from '../../src/protocol/exportOnnx';
import { ownLogits } from '../support/decoderLogits';
import { likeliest, meanDivergence, openOnnx, OnnxText } from '../support/onnxRun';
import { printSection, table, writeSection } from './document';
import { machine, packageVersion } from './machine';

/**
 * npm run bench -- onnx [--model FOLDER] [--write]: a model in every form of weights, run by onnxruntime-node on one thread with
 * default session options otherwise, each in processes of its own. `--write` updates docs/ONNX.md.
 */
const { values: options } = parseArgs({
  options: {
    write: { type: 'boolean' },
    model: { type: 'string', default: join(process.cwd(), 'samples', 'tiny-shakespeare-llama') },
    child: { type: 'string' },
  },
});

/** Tokens of the text that logits are compared on, and tokens that are generated after it. */
const prompt = 128;
const generated = 96;
const rounds = 3;

/** What a process that runs one file prints. */
interface Usage {
  /** Of processor time, so that other processes do not count. */
  readonly tokensPerSecond: number;
  /** Most resident memory over that before the session was made, bytes. */
  readonly memory: number;
}

/** What the process reads, and where it writes the logits of the text. */
interface Work {
  readonly file: string;
  readonly tokens: readonly number[];
  readonly logits: string;
}

if (options.child !== undefined) await runChild(JSON.parse(options.child) as Work);
else await measureAll();

async function runChild({ file, tokens, logits }: Work): Promise<void> {
  const before = process.memoryUsage.rss();
  resetPeakMemory();
  const session = await openOnnx(file, { threads: 1 });
  const text = new OnnxText(session);
  const rows = await text.next(tokens);
  let next = likeliest(rows.at(-1)!);
  const start = process.cpuUsage();
  for (let i = 0; i < generated; i++) next = likeliest((await text.next([next])).at(-1)!);
  const { user, system } = process.cpuUsage(start);
  const seconds = (user + system) / 1e6;
  const usage: Usage = { tokensPerSecond: generated / seconds, memory: peakMemory() - before };
  writeFileSync(
    logits,
    Buffer.concat(rows.map((row) => Buffer.from(row.buffer, row.byteOffset, row.byteLength))),
  );
  process.stdout.write(JSON.stringify(usage));
}

async function measureAll(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'quantscope-bench-'));
  const models = new OpenModels();
  try {
    const tokens = await evaluatedTokens();
    const original = await ownLogits(options.model, tokens);
    const rows: string[][] = [];
    for (const { id } of weightForms) rows.push(await measure(models, folder, id, tokens, original));
    const section = describe(rows);
    if (options.write) writeSection('docs/ONNX.md', 'forms', section);
    else printSection(section);
  } finally {
    await models.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function evaluatedTokens(): Promise<number[]> {
  const model = await openModel(options.model);
  const tokenizer = await openTokenizer(model);
  const text = readFileSync(join(options.model, 'generated-eval.txt'), 'utf8').slice(0, 40 * prompt);
  const tokens = await tokenizer.encode(text);
  await model.close();
  return [...tokens.subarray(0, prompt)];
}

/** Exports one form and runs it. @returns a row of the table. */
async function measure(
  models: OpenModels,
  folder: string,
  weights: string,
  tokens: readonly number[],
  original: readonly Float32Array[],
): Promise<string[]> {
  const out = join(folder, weights);
  const text = join(options.model, 'generated-calibration.txt');
  const { fileBytes, bitsPerWeight }: OnnxResult = await createJobs(models)['export/onnx'](
    { path: options.model, weights, text, out, cacheDir: folder, device: 'cpu' },
    { signal: new AbortController().signal, progress: () => undefined },
  );
  const work: Work = { file: join(out, 'model.onnx'), tokens, logits: join(folder, 'logits.bin') };
  const usages = Array.from({ length: rounds }, () => inProcess(work));
  const { difference, divergence } = compare(readFileSync(work.logits), original);
  const row = [
    ...[`\`${weights}\``, (fileBytes / 1e6).toFixed(2), bitsPerWeight.toFixed(2)],
    ...[difference.toExponential(1), divergence.toExponential(1)],
    Math.max(...usages.map(({ tokensPerSecond }) => tokensPerSecond)).toFixed(0),
    (median(usages.map(({ memory }) => memory)) / 1e6).toFixed(0),
  ];
  process.stderr.write(`${row.join('  ')}\n`);
  return row;
}

function inProcess(work: Work): Usage {
  const args = [process.argv[1]!, '--child', JSON.stringify(work)];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Usage;
}

/** Root mean square difference of logits, and mean KL divergence (nats) of the distributions. */
function compare(bytes: Buffer, original: readonly Float32Array[]) {
  const values = new Float32Array(Uint8Array.from(bytes).buffer);
  const { length } = original[0]!;
  const found = original.map((_, row) => values.subarray(row * length, (row + 1) * length));
  const squares = original.flatMap((row, i) => [...row.map((value, j) => (value - found[i]![j]!) ** 2)]);
  const difference = Math.sqrt(squares.reduce((sum, square) => sum + square, 0) / squares.length);
  return { difference, divergence: meanDivergence(original, found) };
}

function describe(rows: readonly (readonly string[])[]): string {
  const runtime = packageVersion(join(process.cwd(), 'node_modules', 'onnxruntime-node'));
  const head = [
    ...['`--weights`', 'MB of all files', 'Bits per weight', 'RMS difference of logits'],
    ...['KL divergence (nats)', 'Tokens/s, one thread', 'MB of memory'],
  ];
  return [
    `${machine()}; onnxruntime-node ${runtime}, CPU, default session options but for one thread.`,
    table(head, rows),
    `Logits and divergence: over ${prompt} tokens of \`generated-eval.txt\`, from the forward pass of the original model; ranges of inputs by min and max of \`generated-calibration.txt\`. Tokens per second of processor time: ${generated} tokens generated one by one after them, with keys and values kept; the best of ${rounds} processes. Memory: most resident memory of the process over that before the session was made, the runtime's own included; the median.`,
  ].join('\n\n');
}
