import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { median } from '../../src/evaluation/statistics';
import { hugeMixture, writeShardedMixture } from '../support/mixtureModel';
import { writeVocabularyGguf } from '../support/vocabularyGguf';
import { printSection, table, writeSection } from './document';
import { machine, packageVersion } from './machine';
import { readings, spent, type Reading } from './openReadings';

/**
 * npm run bench -- open [--write]: processor time of reading headers, each reading in a process of its own, against parsers of the same files.
 */
const rounds = 7;
const tokens = 262_144;

type Spent = ReadonlyMap<string, number>;

/** Median of each figure over the rounds; readings take turns, so that other load meets all of them. */
function measured(names: readonly Reading[], file: string): Spent {
  const samples = new Map<string, number[]>();
  for (let round = 0; round < rounds; round++)
    for (const name of names)
      for (const [figure, time] of Object.entries(spent(name, file)))
        samples.set(figure, [...(samples.get(figure) ?? []), time]);
  return new Map([...samples].map(([figure, times]) => [figure, median(times)]));
}

const milliseconds = (time: number): string => time.toFixed(time < 10 ? 1 : 0);

function ggufTable(of: Spent): string {
  const own = of.get('quantscope')!;
  const rows = [...of].map(([name, time]) => [
    labels[name] ?? name,
    milliseconds(time),
    (time / own).toFixed(1),
  ]);
  return table(['Reader', 'CPU (ms)', '÷ Quantscope'], rows);
}

const labels: Readonly<Record<string, string>> = {
  quantscope: 'Quantscope: header, its SHA-256 and samples of the weights',
  huggingface: `\`@huggingface/gguf\` ${packageVersion('node_modules/@huggingface/gguf')}`,
  hyllama: `\`hyllama\` ${packageVersion('node_modules/hyllama')}, the file without its data in memory`,
  parse: 'JSON.parse of the 200 headers alone, read before',
  index: 'JSON.parse of the index alone',
  engine: 'Engine: files, headers, checks, index, SHA-256, samples, layouts, the message',
  host: 'Extension host: handing the message on',
  page: 'Page: the message, the tree, its first screenful of lines as data',
  limits: 'Engine, after that: names and shapes against the rules of the architecture',
};

function shardTable(of: Spent): string {
  const parse = of.get('parse')!;
  const rows = [...of].map(([name, time]) => [
    labels[name] ?? name,
    milliseconds(time),
    (time / parse).toFixed(2),
  ]);
  return table(['Part', 'CPU (ms)', '÷ parse of the headers'], rows);
}

/** What the page takes in a browser, and what of it is the same for a model of few tensors. */
async function pageText(file: string): Promise<string> {
  const { measurePage } = await import('./openPage');
  const small = await measurePage(sampleFolder());
  const { firstRow, frames } = await measurePage(file);
  const sorted = frames.toSorted((a, b) => a - b);
  const [half, most] = [0.5, 0.95].map((share) => sorted[Math.floor(share * sorted.length)]!.toFixed(1));
  return (
    `In Chromium the main thread of the page uses ${milliseconds(firstRow)} ms until the first row is drawn, ${milliseconds(small.firstRow)} ms with the ` +
    `sample of 57 tensors. Scrolling all tensors as a list takes ${half} ms a frame in the median, ${most} ms at the 95th percentile.`
  );
}

const sampleFolder = (): string => join(process.cwd(), 'samples', 'tiny-shakespeare-llama');

async function run(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'quantscope-bench-'));
  try {
    const gguf = join(folder, 'vocabulary.gguf');
    writeVocabularyGguf(gguf, tokens);
    const byReader = measured(['quantscope', 'huggingface', 'hyllama'], gguf);
    const { index } = writeShardedMixture(folder, hugeMixture);
    const byPart = measured(['parse', 'sides'], index);
    const all = ['engine', 'host', 'page'].reduce((sum, part) => sum + byPart.get(part)!, 0);
    const count = (number: number): string => number.toLocaleString('en-US');
    const section = [
      `${machine()}. Processor time of all threads, median of ${rounds} processes; starting Node and loading the program are not counted.`,
      `A GGUF file of ${count(tokens)} tokens and as many merges, 336 tensors:`,
      ggufTable(byReader),
      `${count(100_428)} tensors of 400 GB in 200 shards of safetensors with an index:`,
      shardTable(byPart),
      `To the first screenful: ${milliseconds(all)} ms, ${(all / byPart.get('parse')!).toFixed(2)} times the parse of the headers alone.`,
      await pageText(index),
    ].join('\n\n');
    printSection(section);
    if (process.argv.includes('--write')) writeSection('docs/BENCHMARKS.md', 'open', section);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const [, , option, name, file] = process.argv;
if (option === '--reading') await readings[name as Reading](file!);
else await run();
