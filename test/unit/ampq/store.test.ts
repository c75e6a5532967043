import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { CellStore, type MeasuredCell } from '../../../src/ampq/store';
import { seal, unseal } from '../../../src/model/sealedJson';
import { clearFaults, failOn } from '../../support/fileFaults';
import { temporaryFolder, writeFile } from '../../support/files';

vi.mock('node:fs/promises', async (original) => {
  const { faultyFileSystem } = await import('../../support/fileFaults');
  return faultyFileSystem(await original());
});
afterEach(clearFaults);

const cell = (tensor: string, change: Partial<MeasuredCell> = {}): MeasuredCell => ({
  ...{ tensor, format: 'Q4_K', device: 'cpu' },
  sums: { count: 512, source: 12.5, decoded: 12.25, error: 0.125, maxError: 0.5 },
  ...change,
});

async function storedAndRead(folder: string, cells: readonly MeasuredCell[]): Promise<MeasuredCell[]> {
  const store = await CellStore.open(folder, 'key');
  for (const item of cells) await store.add(item);
  await store.close();
  expect(store.problem).toBeUndefined();
  return (await CellStore.open(folder, 'key')).all();
}

const onGraphs = { Q4_K: 1, graphErrors: 1 };
const linesIn = (folder: string): string[] =>
  readFileSync(join(folder, 'key.jsonl'), 'utf8').split('\n').filter(Boolean);

describe('CellStore', () => {
  it('keeps sums that are not finite as they were', async () => {
    const sums = { count: 512, source: Infinity, decoded: NaN, error: -0, maxError: Infinity };
    const cells = [cell('a'), cell('b', { sums })];
    expect(await storedAndRead(temporaryFolder(), cells)).toEqual(cells);
  });

  it('skips a torn last line and continues on a line of its own', async () => {
    const folder = temporaryFolder();
    await storedAndRead(folder, [cell('a')]);
    appendFileSync(join(folder, 'key.jsonl'), '{"digest":"0123456789abcdef","content":{"tensor":"b","for');
    expect(await storedAndRead(folder, [cell('c')])).toEqual([cell('a'), cell('c')]);
  });

  it('keeps one cell per tensor and format, the latest', async () => {
    const folder = temporaryFolder();
    const [other, later] = [cell('a', { format: 'Q8_0' }), cell('a', { device: 'cuda' })];
    expect(await storedAndRead(folder, [cell('a'), other, later])).toEqual([later, other]);
    expect(linesIn(folder)).toHaveLength(3);
  });

  it('starts empty for another model', async () => {
    const folder = temporaryFolder();
    await storedAndRead(folder, [cell('a')]);
    const other = await CellStore.open(folder, 'other');
    expect(other.all()).toEqual([]);
    expect(other.find('a', 'Q4_K')).toBeUndefined();
  });

  it.each<[string, (line: string) => string]>([
    ['an error was changed', (line) => line.replace('0.125', '0.0125')],
    ['a field is missing', (line) => line.replace('"count":512,', '')],
    ['a byte is missing', (line) => line.slice(0, -1)],
    ['something follows', (line) => `${line} `],
    ['the digest is of another cell', (line) => line.replace(/[0-9a-f]{16}/, '0123456789abcdef')],
  ])('does not trust a line in which %s', async (_, change) => {
    const folder = temporaryFolder();
    await storedAndRead(folder, [cell('a')]);
    const [line] = linesIn(folder);
    expect(change(line!)).not.toBe(line);
    writeFileSync(join(folder, 'key.jsonl'), `${change(line!)}\n`);
    expect((await CellStore.open(folder, 'key')).all()).toEqual([]);
  });

  it.each([
    ['is of another version of its format', { versions: { Q4_K: 0, errors: 1 } }],
    ['says no version', { versions: undefined }],
    ['is of an unknown format', { format: 'Q9_K' }],
    ['is of an unknown device', { device: 'tpu', versions: onGraphs }],
    ['is of a device named as what all objects have', { device: 'constructor', versions: onGraphs }],
    ['has a device that is not a text', { device: ['cuda'], versions: onGraphs }],
    ['has no format', { format: ['Q4_K'] }],
    ['has no sums', { sums: undefined }],
    ['has versions of another device', { versions: onGraphs }],
    ['has a sum that is not a number', { sums: { ...cell('a').sums, error: '0.125' } }],
    ['lacks a sum', { sums: { count: 512 } }],
    ['has no tensor', { tensor: 7 }],
  ])('does not take a sealed line that %s', async (_, change) => {
    const folder = temporaryFolder();
    await storedAndRead(folder, [cell('a')]);
    const content = unseal(linesIn(folder)[0]!) as object;
    writeFileSync(join(folder, 'key.jsonl'), `${seal(content)}\n`);
    expect((await CellStore.open(folder, 'key')).all()).toEqual([cell('a')]);
    writeFileSync(join(folder, 'key.jsonl'), `${seal({ ...content, ...change })}\n`);
    expect((await CellStore.open(folder, 'key')).all()).toEqual([]);
  });

  it('keeps cells in memory if there is no folder to write to, and says why', async () => {
    const file = writeFile(temporaryFolder(), 'file', '');
    const store = await CellStore.open(join(file, 'cells'), 'key');
    expect(store.problem).toContain('ENOTDIR');
    await store.add(cell('a'));
    expect(store.find('a', 'Q4_K')).toEqual(cell('a'));
    await store.close();
  });

  it.each([
    ['cpu', { Q4_K: 1, errors: 1 }],
    ['cuda', onGraphs],
    ['webgpu', onGraphs],
    ['ort-cpu', onGraphs],
  ] as const)(
    'keeps a cell with the versions of the code that computed it on %s',
    async (device, versions) => {
      const folder = temporaryFolder();
      expect(await storedAndRead(folder, [cell('a', { device })])).toEqual([cell('a', { device })]);
      expect(linesIn(folder).map(unseal)).toEqual([{ ...cell('a', { device }), versions }]);
    },
  );

  it('can be continued after it was closed, also without a cell', async () => {
    const folder = temporaryFolder();
    const store = await CellStore.open(folder, 'key');
    await store.close();
    expect(existsSync(join(folder, 'key.jsonl'))).toBe(false);
    for (const name of ['a', 'b']) {
      await store.add(cell(name));
      await store.close();
    }
    await store.close();
    expect(store.problem).toBeUndefined();
    expect((await CellStore.open(folder, 'key')).all()).toEqual([cell('a'), cell('b')]);
  });

  it('says why a file cannot be read, and leaves it alone', async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'key.jsonl'));
    const store = await CellStore.open(folder, 'key');
    expect(store.problem).toContain('EISDIR');
    await store.add(cell('a'));
    expect(store.all()).toEqual([cell('a')]);
  });

  it('keeps cells in memory from the first one that cannot be written', async () => {
    const folder = join(temporaryFolder(), 'cells');
    const store = await CellStore.open(folder, 'key');
    rmSync(folder, { recursive: true });
    await store.add(cell('a'));
    expect(store.problem).toContain('ENOENT');
    mkdirSync(folder);
    await store.add(cell('b'));
    await store.close();
    expect(existsSync(join(folder, 'key.jsonl'))).toBe(false);
    expect(store.all()).toEqual([cell('a'), cell('b')]);
  });

  it('says that cells are not kept when writing or closing fails, the first reason', async () => {
    failOn('close', /key\.jsonl/, { code: 'EDQUOT' });
    const store = await CellStore.open(temporaryFolder(), 'key');
    await store.add(cell('a'));
    expect(store.problem).toBeUndefined();
    await store.close();
    expect(store.problem).toContain('EDQUOT');

    clearFaults();
    failOn('appendFile', /key\.jsonl/, { code: 'ENOSPC' });
    failOn('close', /key\.jsonl/, { code: 'EIO' });
    const full = await CellStore.open(temporaryFolder(), 'key');
    await full.add(cell('a'));
    await full.close();
    expect(full.problem).toContain('ENOSPC');
  });
});
