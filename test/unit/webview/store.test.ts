import { describe, expect, it } from 'vitest';
import type { Figures } from '../../../webview/influence';
import { pageStore, stateOf, tableOutline } from '../../support/pageStore';

const outline = { revision: 4, formats: [{ format: 'Q4_K', bits: 4.5 }], of: [0, -1] };
const loaded = {
  limits: {},
  figures: { revision: 3 } as Figures,
  whole: { revision: 4, plan: {} as never },
  movedBudget: 5,
};

describe('a page that opens a model', () => {
  it('has its tensors as the host described them, and which results there are', async () => {
    const store = await pageStore();
    store.open(stateOf(['a', 'b'], { sensitivity: tableOutline(3), plan: outline }));
    const { model, selected, sensitivity, plan, figures, whole } = store.state;
    expect(model!.tensors.map(({ name, shape }) => [name, shape])).toEqual([
      ['a', [2, 3]],
      ['b', [2, 3]],
    ]);
    expect(selected).toEqual(['a']);
    expect([sensitivity, plan, figures, whole]).toEqual([tableOutline(3), outline, undefined, undefined]);
  });

  it('shows the matrix that comes first in the forward pass, whatever the order in the file', async () => {
    const store = await pageStore();
    store.open(stateOf(['output.weight', 'blk.0.attn_q.weight', 'blk.1.attn_q.weight', 'token_embd.weight']));
    expect(store.state.selected).toEqual(['token_embd.weight']);
  });

  it('keeps results that it has while the files are the same', async () => {
    const store = await pageStore();
    store.open(stateOf(['a', 'b']));
    store.update(loaded);
    const { opening } = store.state;
    store.open(stateOf(['a', 'b'], { sensitivity: tableOutline(5) }));
    expect(store.state).toMatchObject({ ...loaded, opening, sensitivity: tableOutline(5), plan: undefined });
  });

  it.each([
    ['the files changed', { revision: 2 }],
    ['one file is shown alone', { part: { file: 'm', number: 1, count: 2, alone: true } }],
  ])('forgets them when %s', async (_, change) => {
    const store = await pageStore();
    store.open(stateOf(['a', 'b']));
    store.update(loaded);
    const { opening } = store.state;
    store.open(stateOf(['a'], change));
    expect(store.state).toMatchObject({
      ...{
        opening: opening + 1,
        limits: undefined,
        figures: undefined,
        whole: undefined,
        movedBudget: undefined,
      },
    });
  });
});
