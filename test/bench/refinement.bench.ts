import { ggmlRowBytes } from '../../src/model/dtypes';
import { loadNative } from '../../src/native';
import { median } from '../../src/evaluation/statistics';
import type { GgmlQuantType } from '../../src/protocol/ggmlTypes';
import { trainerOf, type Trainer } from '../../src/refinement/trainers';
import { Random } from '../support/random';
import { printSection, table } from './document';
import { machine } from './machine';

/**
 * npm run bench -- refinement: what a step of a refinement does to a matrix besides the passes of the model: Adam moves the numbers, and blocks are made of
 * them. Nanoseconds of processor time of all threads per weight, the median of seven rounds.
 */
const [rows, columns] = [2048, 1024];
const types: readonly GgmlQuantType[] = ['Q2_K', 'Q3_K', 'IQ4_XS', 'Q4_K', 'Q5_0', 'Q6_K', 'Q8_0'];
const rounds = 7;
const weights = new Random(1).fill(rows * columns, (random) => 0.02 * random.normal());
const gradient = new Random(2).fill(rows * columns, (random) => random.normal());

async function nanoseconds(work: () => Promise<unknown>): Promise<string> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const start = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(start);
    times.push((1000 * (user + system)) / weights.length);
  }
  return median(times).toPrecision(3);
}

async function rowOf(type: GgmlQuantType): Promise<string[]> {
  const blocks = new Uint8Array(rows * ggmlRowBytes(type, columns));
  await loadNative().encodeRows(type, weights, columns, blocks, {});
  const trainer: Trainer = trainerOf(type, [rows, columns], 'codes')!;
  const values = await trainer.start(blocks);
  const state = { values, first: new Float32Array(values.length), second: new Float32Array(values.length) };
  const step = { step: 1, rate: 1 };
  return [
    type,
    await nanoseconds(() => trainer.move(state, blocks, gradient, step)),
    await nanoseconds(() => trainer.encode(values, blocks)),
  ];
}

const measured: string[][] = [];
for (const type of types) measured.push(await rowOf(type));
printSection([`${machine()}.`, '', table(['Type', 'Numbers (ns)', 'Blocks (ns)'], measured)].join('\n'));
