import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CellStore, type StoredCell } from '../../../src/ampq/store';
import { temporaryFolder } from '../../support/files';

const cell = (tensor: string, change: Partial<StoredCell> = {}): StoredCell => ({
  ...{ tensor, format: 'F32', bytes: 16, bitsPerWeight: 32, relativeSquaredError: 0 },
  ...{ sqnr: 12.5, maxError: 0, device: 'cpu' },
  ...change,
});

async function storedAndRead(folder: string, cells: readonly StoredCell[]): Promise<StoredCell[]> {
  const store = await CellStore.open(folder, 'key');
  for (const item of cells) await store.add(item);
  await store.close();
  return (await CellStore.open(folder, 'key')).all();
}

describe('CellStore', () => {
  it('keeps the figures of an exact and of a hopeless format as they were', async () => {
    const cells = [
      cell('exact', { sqnr: Infinity }),
      cell('nothing left', { sqnr: -Infinity, relativeSquaredError: Infinity }),
      cell('not defined', { sqnr: NaN, relativeSquaredError: NaN }),
    ];
    expect(await storedAndRead(temporaryFolder(), cells)).toEqual(cells);
  });

  it('skips a torn last line and continues on a line of its own', async () => {
    const folder = temporaryFolder();
    await storedAndRead(folder, [cell('a')]);
    appendFileSync(join(folder, 'key.jsonl'), '{"tensor":"b","format":"F');
    expect(await storedAndRead(folder, [cell('c')])).toEqual([cell('a'), cell('c')]);
  });

  it('keeps one cell per tensor and format, the latest', async () => {
    const folder = temporaryFolder();
    const kept = await storedAndRead(folder, [
      cell('a'),
      cell('a', { format: 'Q4_K' }),
      cell('a', { bytes: 7 }),
    ]);
    expect(kept).toEqual([cell('a', { bytes: 7 }), cell('a', { format: 'Q4_K' })]);
    expect(readFileSync(join(folder, 'key.jsonl'), 'utf8').split('\n').filter(Boolean)).toHaveLength(3);
  });

  it('starts empty for another model', async () => {
    const folder = temporaryFolder();
    await storedAndRead(folder, [cell('a')]);
    const other = await CellStore.open(folder, 'other');
    expect(other.all()).toEqual([]);
    expect(other.find('a', 'F32')).toBeUndefined();
  });
});
