import { spawnSync } from 'node:child_process';
import { loadNative } from '../../src/native';
import type { Grid } from '../../src/protocol/grids';
import type { MethodOptions } from '../../src/protocol/recipe';
import { gptq } from '../../src/quant/methods/gptq';
import { Random } from '../support/random';
import { printSection, table, writeSection } from './document';
import { plainCholesky, plainFactor, plainRows } from './gptq/plainLoop';
import { machine } from './machine';

/**
 * npm run bench -- gptq [--write]: processor time of GPTQ of a matrix of 4096 × 4096 on one thread, against plain loops of the same algorithm, and
 * the memory of one of 4096 × 11008, in a process of its own.
 */
const grid: Grid = {
  levels: { kind: 'integer', bits: 4, signed: false },
  ...{ group: 128, scale: 'F32', zero: 'integer', rule: { kind: 'range', widened: true } },
};
const damping = 0.01;
/** Rows are independent: the plain loop is timed over some of them. */
const plainShare = 16;
const slabRows = 512;
/** What the plain loops do: columns in order, scales of the weights as they are. */
const plainOptions: MethodOptions = { act_order: false, static_groups: true };

/** That of inputs with two common directions. */
function hessianOf(columns: number): Float64Array {
  const random = new Random(columns);
  const [a, b] = [0, 1].map(() => random.fill(columns, () => random.normal()));
  const hessian = new Float64Array(columns * columns);
  for (let i = 0; i < columns; i++) {
    for (let j = 0; j < columns; j++) hessian[i * columns + j] = a![i]! * a![j]! + b![i]! * b![j]!;
    hessian[i * columns + i]! += 1;
  }
  return hessian;
}

const weightsOf = (rows: number, columns: number): Float32Array =>
  new Random(rows).fill(rows * columns, (random) => random.next() - 0.5);

/** Seconds of processor time: one thread works, and others use the machine. */
async function timeOf(run: () => void | Promise<void>): Promise<number> {
  const start = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1e6;
}

interface Times {
  readonly factor: number;
  readonly rows: number;
}

async function native(
  rows: number,
  columns: number,
  hessian: Float64Array,
  options: MethodOptions = {},
): Promise<Times> {
  const evidence = { hessian };
  const task = { grid, shape: [rows, columns] as const, evidence, options: { damping, ...options } };
  let opened: Awaited<ReturnType<typeof gptq.open>> | undefined;
  const factor = await timeOf(async () => {
    opened = await gptq.open(task);
  });
  const slab = weightsOf(slabRows, columns);
  let spent = 0;
  for (let done = 0; done < rows; done += slabRows) {
    const own = slab.slice();
    spent += await timeOf(async () => void (await opened!.quantize(own)));
  }
  return { factor, rows: spent };
}

async function plain(rows: number, columns: number, hessian: Float64Array): Promise<Times> {
  let factors: Float32Array | undefined;
  const factor = await timeOf(() => {
    factors = plainFactor(plainCholesky(hessian, columns, damping * 3), columns);
  });
  const weights = weightsOf(rows / plainShare, columns);
  const share = await timeOf(() => void plainRows(weights, factors!, columns, { bits: 4, group: 128 }));
  return { factor, rows: share * plainShare };
}

/** Seconds, and the largest resident memory in gigabytes, of a process that quantizes one matrix. */
async function memory(rows: number, columns: number): Promise<void> {
  const times = await native(rows, columns, hessianOf(columns));
  const peak = (process.resourceUsage().maxRSS * 1024) / 1e9;
  process.stdout.write(JSON.stringify({ ...times, peak }));
}

interface Measured extends Times {
  readonly peak: number;
}

const seconds = (value: number): string => value.toFixed(value < 10 ? 2 : 0);

async function report(): Promise<string> {
  const columns = 4096;
  const hessian = hessianOf(columns);
  const ours = await native(columns, columns, hessian, plainOptions);
  const usual = await native(columns, columns, hessian);
  const theirs = await plain(columns, columns, hessian);
  const child = spawnSync(process.execPath, [process.argv[1]!, '--memory'], { encoding: 'utf8' });
  const large = JSON.parse(child.stdout) as Measured;
  const row = (name: string, { factor, rows }: Times): string[] => [
    name,
    ...[factor, rows, factor + rows].map(seconds),
  ];
  const ratio = (theirs.factor + theirs.rows) / (ours.factor + ours.rows);
  return [
    `${machine()}; one thread, ${loadNative().simd}; processor time. int4 with zero points in groups of 128. Rows of the addon include those of rounding, which ` +
      `each row is compared with; the plain loops (JavaScript, float64 and float32) do without, and were timed over 1/${plainShare} of the rows.`,
    '',
    table(
      ['', 'Factor of the Hessian (s)', 'Rows (s)', 'Both (s)'],
      [
        row('4096 × 4096, addon', ours),
        row('4096 × 4096, plain loops', theirs),
        row('4096 × 4096, addon, usual options', usual),
        row('4096 × 11008, addon, usual options', large),
      ],
    ),
    '',
    `The addon is ${ratio.toFixed(0)} times as fast as the plain loops. The process that quantizes 4096 × 11008 needs ${large.peak.toFixed(2)} GB at most, of which ` +
      `the Hessian is ${((8 * 11008 ** 2) / 1e9).toFixed(2)} GB.`,
  ].join('\n');
}

loadNative().setThreads(1);
if (process.argv.includes('--memory')) await memory(4096, 11008);
else {
  const section = await report();
  printSection(section);
  if (process.argv.includes('--write')) writeSection('docs/BENCHMARKS.md', 'gptq', section);
}
