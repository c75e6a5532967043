import { existsSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EvidenceStore, noParts, type KeptEvidence } from '../../../src/engine/evaluation/evidenceStore';
import type { InputStatistics } from '../../../src/graph/transformer/tapSums';
import { temporaryFolder } from '../../support/files';

/** Bytes of the sums of one input: three vectors in float64, and their digest. */
const sumsBytes = (columns: number): number => 3 * 8 * columns + 32;

const input = (columns: number): InputStatistics => ({
  ...{ tensors: ['blk.0.attn_q.weight'], rows: 2 },
  squares: new Float64Array(columns).fill(8),
  sums: new Float64Array(columns).fill(4),
  largest: new Float64Array(columns).fill(3),
});

const add = (store: EvidenceStore, key: string, measure?: () => Promise<void>): Promise<KeptEvidence> =>
  store.add(
    'model',
    { key, text: { path: key, hash: key, tokens: 2, context: 2 }, parts: noParts },
    async ({ onInput }) => {
      await onInput(input(1000));
      await measure?.();
    },
  );

/** A folder that was used so many hours ago. */
function age(folder: string, hours: number): void {
  const then = new Date(Date.now() - hours * 3_600_000);
  const index = join(folder, 'index.json');
  utimesSync(existsSync(index) ? index : folder, then, then);
}

describe('kept evidence', () => {
  it('survives a pass over the same text that is cancelled while another one ends', async () => {
    const store = new EvidenceStore(temporaryFolder());
    let cancel!: () => void;
    const begun = new Promise<void>((resolve) => {
      const cancelled = new Promise<void>((_, reject) => (cancel = () => reject(new Error('cancelled'))));
      void add(store, 'text', () => (resolve(), cancelled)).catch(() => undefined);
    });
    await begun;
    const kept = await add(store, 'text', () => Promise.resolve(cancel()));
    expect(statSync(join(kept.folder, '0.sums')).size).toBe(sumsBytes(1000));
    expect(await store.find('model', noParts, { key: 'text' })).toEqual(kept);
  });

  it('leaves nothing of a pass that fails, and the earlier result as it was', async () => {
    const store = new EvidenceStore(temporaryFolder());
    const fail = (): Promise<void> => Promise.reject(new Error('no'));
    await expect(add(store, 'text', fail)).rejects.toThrow('no');
    expect(existsSync(store.root)).toBe(false);
    const kept = await add(store, 'text');
    await expect(add(store, 'text', fail)).rejects.toThrow('no');
    expect(readdirSync(dirname(kept.folder))).toEqual([kept.folder.slice(-32)]);
    expect(await store.find('model', noParts)).toEqual(kept);
  });

  it('goes when there is too much, what was used least recently first, other versions included', async () => {
    const store = new EvidenceStore(temporaryFolder(), 3.5 * sumsBytes(1000));
    const [first, second] = [await add(store, 'first'), await add(store, 'second')];
    const folder = dirname(first.folder);
    const other = join(folder, 'of-another-version');
    mkdirSync(other);
    writeFileSync(join(other, '0.hessian'), new Uint8Array(sumsBytes(1000)));
    age(other, 3);
    age(first.folder, 2);
    age(second.folder, 1);
    const third = await add(store, 'third');
    expect(existsSync(other)).toBe(false);
    expect((await store.find('model', noParts, { key: 'first' }))?.folder).toBe(first.folder); // used now
    const fourth = await add(store, 'fourth');
    expect(readdirSync(folder).sort()).toEqual(
      [first, third, fourth].map((kept) => kept.folder.slice(-32)).sort(),
    );
  });
});
