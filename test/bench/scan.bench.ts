import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { analyseTensor } from '../../src/analysis/analyse';
import { scanModel } from '../../src/analysis/modelScan';
import { openFileSource } from '../../src/model/byteSource';
import { dtypeNamed, ggmlType } from '../../src/model/dtypes';
import { openModel } from '../../src/layouts/openModel';
import type { Model } from '../../src/model/model';
import { loadNative } from '../../src/native';
import { GgufBytes } from '../support/ggufBytes';
import { Random } from '../support/random';
import { printSection, table, writeSection } from './document';
import { machine } from './machine';

/**
 * npm run bench -- scan [--gigabytes 4] [--write]: full statistics of every tensor of a file (moments, percentiles, histogram, outlier map,
 * profiles of rows and columns), in processor time, against reading the file alone.
 */
const native = loadNative();
const gigabyte = 1e9;
const [rows, columns] = [16384, 4096];
const weights = rows * columns;
/** Distinct data is so large; it is repeated. */
const distinct = 16 * columns;
/** Size of the files of the dtypes that are measured beside BF16 (GB). */
const otherSize = 1;

interface Row {
  readonly name: string;
  readonly bytes: number;
  /** Processor seconds. */
  readonly scan: number;
  readonly read: number;
  /** Seconds. */
  readonly elapsed: number;
  /** Bytes above what the process had before. */
  readonly peak: number;
}

async function dataOf(dtype: string): Promise<Uint8Array> {
  const values = new Random(1).fill(distinct, (random) => random.studentT3() * 0.02);
  const { block, bitsPerBlock } = dtypeNamed(dtype)!;
  const data = new Uint8Array(((distinct / block) * bitsPerBlock) / 8);
  const random = new Random(2);
  if (dtype.startsWith('F8')) return data.map(() => 0x20 + Math.floor(32 * random.next()));
  await native.encodeRows(dtype, values, columns, data);
  return data;
}

/** A file of equal matrices, as many as fill it. */
async function writeMatrices(folder: string, dtype: string, bytes: number): Promise<string> {
  const data = await dataOf(dtype);
  const tensorBytes = data.length * (weights / distinct);
  const count = Math.max(1, Math.round(bytes / tensorBytes));
  const isBlocks = dtypeNamed(dtype)!.block > 1;
  const path = join(folder, `${dtype}.${isBlocks ? 'gguf' : 'safetensors'}`);
  const names = Array.from({ length: count }, (_, i) => `blk.${i}.ffn_up.weight`);
  const header = isBlocks
    ? ggufHeader(names, dtype, tensorBytes)
    : safetensorsHeader(names, dtype, tensorBytes);
  const file = openSync(path, 'w');
  writeSync(file, header);
  const chunk = Buffer.concat(Array.from({ length: 16 }, () => data));
  for (let done = 0; done < count * tensorBytes; done += chunk.length) writeSync(file, chunk);
  closeSync(file);
  return path;
}

function safetensorsHeader(names: readonly string[], dtype: string, bytes: number): Uint8Array {
  const entries = names.map((name, i) => [
    name,
    { dtype, shape: [rows, columns], data_offsets: [i * bytes, (i + 1) * bytes] },
  ]);
  const text = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text]);
}

function ggufHeader(names: readonly string[], dtype: string, bytes: number): Uint8Array {
  const header = new GgufBytes()
    .start(3, names.length, 1)
    .string('general.architecture')
    .u32(8)
    .string('llama');
  names.forEach((name, i) => header.tensor(name, [columns, rows], ggmlType(dtype)!.id, i * bytes));
  return header.data(0);
}

/** Processor seconds and seconds of some work. */
async function timed(work: () => Promise<void>): Promise<{ cpu: number; elapsed: number }> {
  const [start, cpu] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(cpu);
  return { cpu: (user + system) / 1e6, elapsed: (performance.now() - start) / 1000 };
}

/** The most memory that the process uses while some work runs, above what it has before (bytes). */
async function peakOf(work: () => Promise<void>): Promise<number> {
  const rss = (): number => process.memoryUsage.rss();
  const before = rss();
  let most = before;
  const timer = setInterval(() => (most = Math.max(most, rss())), 2);
  await work().finally(() => clearInterval(timer));
  return Math.max(most, rss()) - before;
}

/** Reads a file as large programs copy one: into one buffer. */
async function readAll(path: string): Promise<void> {
  const source = await openFileSource(path);
  const buffer = new Uint8Array(8 << 20);
  for (let done = 0; done < source.size; done += buffer.length)
    await source.readInto(buffer.subarray(0, Math.min(buffer.length, source.size - done)), done);
  await source.close();
}

/** Full statistics of each tensor, one after the other; or the figures of `quantscope scan` of all. */
const works: Readonly<Record<string, (model: Model, folder: string) => Promise<void>>> = {
  'each tensor': async (model) => {
    for (const { name } of model.description.tensors) await analyseTensor(model, model.tensor(name));
  },
  'the whole model': async (model, folder) => {
    await scanModel(model, { cacheDir: join(folder, 'kept') });
  },
};

async function measure(folder: string, dtype: string, bytes: number): Promise<Row[]> {
  const path = await writeMatrices(folder, dtype, bytes);
  const model = await openModel(path);
  const tensors = model.description.tensors;
  await readAll(path);
  await analyseTensor(model, model.tensor(tensors[0]!.name));
  const read = await timed(() => readAll(path));
  const size = tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const results: Row[] = [];
  for (const [what, work] of Object.entries(works)) {
    let scan = { cpu: 0, elapsed: 0 };
    const peak = await peakOf(async () => {
      scan = await timed(() => work(model, folder));
    });
    const name = `${dtype}, ${figure(size / gigabyte)} GB, ${what}`;
    results.push({ name, bytes: size, scan: scan.cpu, read: read.cpu, elapsed: scan.elapsed, peak });
  }
  await model.close();
  rmSync(path);
  return results;
}

const figure = (value: number): string => value.toPrecision(3);

function reportOf(results: readonly Row[]): string {
  const rowsOf = results.map(({ name, bytes, scan, read, elapsed, peak }) => [
    name,
    ...[bytes / gigabyte / scan, scan / read, bytes / gigabyte / elapsed, peak / 1e6].map(figure),
  ]);
  const head = [
    'File',
    'GB per processor second',
    'Processor time, reading = 1',
    'GB per second',
    'Peak memory (MB)',
  ];
  return [`${machine()}; ${native.simd}. Files lie in the page cache.`, table(head, rowsOf)].join('\n\n');
}

const option = (name: string): string | undefined => process.argv[process.argv.indexOf(name) + 1];
const size = process.argv.includes('--gigabytes') ? Number(option('--gigabytes')) : 4;
const folder = mkdtempSync(join(tmpdir(), 'quantscope-scan-'));
try {
  const results: Row[] = [];
  for (const dtype of ['BF16', 'F16', 'F8_E4M3', 'F32', 'Q8_0', 'Q4_K'])
    results.push(
      ...(await measure(folder, dtype, (dtype === 'BF16' ? size : Math.min(size, otherSize)) * gigabyte)),
    );
  const report = reportOf(results);
  printSection(report);
  if (process.argv.includes('--write')) writeSection('docs/BENCHMARKS.md', 'scan', report);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
