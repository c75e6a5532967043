import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openModel } from '../../src/layouts/openModel';
import { writeMixture } from '../support/mixtureModel';
import { printSection, table, writeSection } from './document';
import { machine } from './machine';
import { measureTables, type TableFigures } from './tables/measure';

/** npm run bench -- tables [--write]: what the long tables of the page cost its main thread, in a browser. */
const shape = { layers: 48, experts: 128, hidden: 64, expertHidden: 32 };

const columns = ['open', 'tick', 'choose', 'sort', 'filter', 'scroll'] as const;
const heads: Readonly<Record<(typeof columns)[number], string>> = {
  ...{ open: 'open', tick: 'step of a run', choose: 'choose a row', sort: 'sort' },
  ...{ filter: 'filter', scroll: 'scroll by a screen' },
};

const row = (figures: TableFigures): string[] => [
  figures.name,
  ...columns.map((column) => figures[column]?.toFixed(figures[column] < 10 ? 1 : 0) ?? '–'),
];

const folder = mkdtempSync(join(tmpdir(), 'quantscope-bench-'));
try {
  const opened = await openModel(writeMixture(folder, shape));
  const { description } = opened;
  await opened.close();
  const figures = await measureTables(description);
  const section = [
    `${machine()}. Processor time of the main thread of the page in Chromium (ms), with ${description.tensors.length.toLocaleString('en-US')} tensors:`,
    table(['Table', ...columns.map((column) => heads[column])], figures.map(row)),
  ].join('\n\n');
  printSection(section);
  if (process.argv.includes('--write')) writeSection('docs/BENCHMARKS.md', 'tables', section);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
