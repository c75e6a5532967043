import { execFile } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  closeSync,
  rmSync,
  statSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { median } from '../../src/evaluation/statistics';
import { writeAtomically } from '../../src/files/atomicFile';
import { exportGguf } from '../../src/exporter/exportGguf';
import { layOutGguf, writeGguf } from '../../src/exporter/gguf/writer';
import { fileTypeNamed } from '../../src/exporter/plan/fileTypes';
import { withThreads } from '../../src/graph/threads';
import type { KeyValue } from '../../src/model/keyValue';
import { openModel } from '../../src/layouts/openModel';
import { loadNative } from '../../src/native';
import { hasLlamaCpp, llamaCppLibrary } from '../support/cache';
import { Random } from '../support/random';
import { printSection, table, writeSection } from './document';

/** Threads of both sides. */
const threads = 2;
const rounds = 3;
const types = ['Q4_K_M', 'Q8_0'] as const;
/** A llama of 571 million weights: 1.14 GB in half precision. */
const shape = { hidden: 2048, keyValue: 256, feedForward: 5632, vocabulary: 32_000, blocks: 10 };

/** What one export in a process of its own took. */
interface Usage {
  readonly seconds: number;
  /** User and system time of all threads. */
  readonly cpuSeconds: number;
  readonly peakBytes: number;
}

type Contestant = 'quantscope' | 'llama.cpp' | 'copy';

const { values: options, positionals } = parseArgs({
  options: { write: { type: 'boolean' }, child: { type: 'string' }, folder: { type: 'string' } },
  allowPositionals: true,
});
if (options.child !== undefined) await runChild(options.child as Contestant, positionals);
else await compareAll();

async function compareAll(): Promise<void> {
  if (!hasLlamaCpp) throw new Error('llama.cpp is not installed; see CONTRIBUTING.md.');
  const folder = mkdtempSync(join(options.folder ?? tmpdir(), 'quantscope-bench-'));
  try {
    const source = join(folder, 'model-f16.gguf');
    await writeModel(source);
    const rows = [];
    for (const type of types) rows.push(await compare(folder, source, type));
    const section = describe(statSync(source).size, rows);
    if (options.write) writeSection('docs/BENCHMARKS.md', 'export', section);
    else printSection(section);
    if (rows.some(({ identical }) => !identical)) process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

interface Row {
  readonly type: string;
  readonly usages: Readonly<Record<Contestant, Usage>>;
  readonly identical: boolean;
}

/** All contestants run once before they take turns; the median of each figure counts. */
async function compare(folder: string, source: string, type: string): Promise<Row> {
  const target = (who: Contestant): string => join(folder, `${who}.gguf`);
  const contestants: readonly Contestant[] = ['quantscope', 'llama.cpp', 'copy'];
  const usages: Record<Contestant, Usage[]> = { quantscope: [], 'llama.cpp': [], copy: [] };
  for (let round = 0; round <= rounds; round++) {
    for (const who of contestants) {
      if (existsSync(target(who))) rmSync(target(who));
      const usage = await spawnChild(who, [source, target(who), type]);
      if (round > 0) usages[who].push(usage);
    }
  }
  const identical = await sameFiles(target('quantscope'), target('llama.cpp'));
  for (const who of contestants) rmSync(target(who));
  return {
    type,
    identical,
    usages: {
      quantscope: medianUsage(usages.quantscope),
      'llama.cpp': medianUsage(usages['llama.cpp']),
      copy: medianUsage(usages.copy),
    },
  };
}

function medianUsage(usages: readonly Usage[]): Usage {
  return {
    seconds: median(usages.map(({ seconds }) => seconds)),
    cpuSeconds: median(usages.map(({ cpuSeconds }) => cpuSeconds)),
    peakBytes: Math.max(...usages.map(({ peakBytes }) => peakBytes)),
  };
}

async function spawnChild(who: Contestant, args: readonly string[]): Promise<Usage> {
  const { stdout } = await promisify(execFile)(process.execPath, [process.argv[1]!, '--child', who, ...args]);
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Usage;
}

async function runChild(who: Contestant, [from = '', to = '', type = '']: readonly string[]): Promise<void> {
  const start = performance.now();
  const work = {
    quantscope: async () => {
      const model = await openModel(from);
      await withThreads(threads, () => exportGguf(model, { type }, to));
      await model.close();
    },
    'llama.cpp': () => quantizeWithLlamaCpp(from, to, type),
    copy: () => {
      copyFileSync(from, to);
      const file = openSync(to, 'r+');
      fsyncSync(file);
      closeSync(file);
    },
  }[who];
  await work();
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  const usage: Usage = {
    seconds: (performance.now() - start) / 1000,
    cpuSeconds: (userCPUTime + systemCPUTime) / 1e6,
    peakBytes: maxRSS * 1024,
  };
  process.stdout.write(`${JSON.stringify(usage)}\n`);
  process.exit(0);
}

async function quantizeWithLlamaCpp(from: string, to: string, type: string): Promise<void> {
  const { default: koffi } = await import('koffi');
  const library = llamaCppLibrary('libllama.');
  koffi.load(llamaCppLibrary('libggml-base'), { global: true });
  const ggml = koffi.load(llamaCppLibrary('libggml.'), { global: true });
  const llama = koffi.load(library);
  ggml.func('void ggml_backend_load_all_from_path(const char *path)')(dirname(library));
  koffi.struct('quantize_params', { nthread: 'int', ftype: 'int', rest: koffi.array('uint8_t', 56) });
  const params = llama.func('quantize_params llama_model_quantize_default_params()')() as Record<
    string,
    unknown
  >;
  Object.assign(params, { nthread: threads, ftype: fileTypeNamed(type).id });
  const run = llama.func(
    'uint32_t llama_model_quantize(const char *from, const char *to, quantize_params *params)',
  );
  if (run(from, to, params) !== 0) throw new Error('llama_model_quantize failed');
}

async function sameFiles(a: string, b: string): Promise<boolean> {
  if (statSync(a).size !== statSync(b).size) return false;
  const [first, second] = [await open(a), await open(b)];
  const [left, right] = [Buffer.alloc(1 << 24), Buffer.alloc(1 << 24)];
  try {
    for (;;) {
      const { bytesRead } = await first.read(left);
      await second.read(right);
      if (bytesRead === 0) return true;
      if (!left.subarray(0, bytesRead).equals(right.subarray(0, bytesRead))) return false;
    }
  } finally {
    await first.close();
    await second.close();
  }
}

/** Normal weights of standard deviation 0.02, a million different ones over and over. */
async function writeModel(path: string): Promise<void> {
  const { hidden, keyValue, feedForward, vocabulary, blocks } = shape;
  const matrices: [string, number, number][] = [
    ['output', vocabulary, hidden],
    ['token_embd', vocabulary, hidden],
  ];
  for (let block = 0; block < blocks; block++) {
    const add = (part: string, rows: number, columns: number) =>
      matrices.push([`blk.${block}.${part}`, rows, columns]);
    add('attn_k', keyValue, hidden);
    add('attn_output', hidden, hidden);
    add('attn_q', hidden, hidden);
    add('attn_v', keyValue, hidden);
    add('ffn_down', hidden, feedForward);
    add('ffn_gate', feedForward, hidden);
    add('ffn_up', feedForward, hidden);
  }
  const tensors = matrices.map(([name, rows, columns]) => {
    return { name: `${name}.weight`, shape: [rows, columns], to: 'F16', bytes: 2 * rows * columns };
  });
  const floats = new Random(5).fill(1 << 20, (random) => random.normal() * 0.02);
  const halves = new Uint8Array(2 * floats.length);
  await loadNative().encodeRows('F16', floats, 1 << 10, halves);
  await writeAtomically(path, (file) =>
    writeGguf(file, layOutGguf(keyValues(), tensors), async function* ({ bytes }) {
      for (let done = 0; done < bytes; done += halves.length)
        yield await Promise.resolve(halves.subarray(0, Math.min(halves.length, bytes - done)));
    }),
  );
}

function keyValues(): KeyValue[] {
  const u32 = (key: string, value: number): KeyValue => ({ key: `llama.${key}`, type: 'u32', value });
  return [
    { key: 'general.architecture', type: 'string', value: 'llama' },
    u32('context_length', 2048),
    u32('embedding_length', shape.hidden),
    u32('block_count', shape.blocks),
    u32('feed_forward_length', shape.feedForward),
    u32('attention.head_count', 32),
    u32('attention.head_count_kv', 4),
    { key: 'llama.attention.layer_norm_rms_epsilon', type: 'f32', value: 1e-5 },
    u32('vocab_size', shape.vocabulary),
  ];
}

function describe(sourceBytes: number, rows: readonly Row[]): string {
  const line = ({ type, usages, identical }: Row): string[] => {
    const { quantscope: ours, 'llama.cpp': theirs, copy } = usages;
    const ratio = (a: number, b: number): string => `${(a / b).toFixed(1)}×`;
    return [
      type,
      ...[ours, theirs].flatMap(({ seconds, cpuSeconds, peakBytes }) => [
        seconds.toFixed(2),
        cpuSeconds.toFixed(2),
        (peakBytes / 1e6).toFixed(0),
      ]),
      ratio(theirs.seconds, ours.seconds),
      ratio(theirs.cpuSeconds, ours.cpuSeconds),
      copy.seconds.toFixed(2),
      identical ? 'yes' : '**no**',
    ];
  };
  const head = [
    'type',
    ...['Quantscope', 'llama.cpp'].flatMap((who) => [`${who} s`, 'CPU s', 'peak MB']),
    ...['wall ratio', 'CPU ratio', 'copy s', 'same file'],
  ];
  const processor = `${cpus()[0]?.model ?? 'unknown processor'}, ${loadNative().simd}`;
  return [
    `${(sourceBytes / 1e6).toFixed(0)} MB F16, ${threads} threads, median of ${rounds} rounds; ${processor}.`,
    '',
    table(head, rows.map(line)),
  ].join('\n');
}
