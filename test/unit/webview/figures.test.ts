import { describe, expect, it } from 'vitest';
import { sensitivityFigures } from '../../../src/protocol/sensitivityFigures';
import { FiguresLoader } from '../../../webview/figures';
import { settle } from '../../support/fakeHost';
import { pageStore, stateOf, tableOutline } from '../../support/pageStore';
import { tableOf } from '../../support/tables';

type Answer = { revision: number; figures: ReturnType<typeof sensitivityFigures> } | undefined;

/** A page, and a host that answers when the test says so. */
async function setUp(revision: number | undefined) {
  const store = await pageStore();
  const asked: { answer: (value: Answer) => Promise<void>; fail: (error: Error) => Promise<void> }[] = [];
  const loader = new FiguresLoader(
    store,
    () =>
      new Promise((resolve, reject) => {
        asked.push({
          answer: (value) => (resolve(value), settle()),
          fail: (error) => (reject(error), settle()),
        });
      }),
  );
  const outline = (next: number | undefined) =>
    next === undefined ? {} : { sensitivity: tableOutline(next) };
  store.open(stateOf(['a'], outline(revision)));
  return { store, asked, loader, outline };
}

const at = (revision: number): Answer => ({ revision, figures: sensitivityFigures(tableOf({ Q4_K: 0.25 })) });

describe('measurements of a page', () => {
  it('are requested once, where there are any', async () => {
    const nothing = await setUp(undefined);
    await nothing.loader.refresh();
    expect(nothing.asked).toHaveLength(0);
    const { store, asked, loader } = await setUp(3);
    const loading = loader.refresh();
    await loader.refresh(); // the view is rendered again
    expect(asked).toHaveLength(1);
    await asked[0]!.answer(at(3));
    await loading;
    expect(store.state.figures).toMatchObject({
      revision: 3,
      measured: 1,
      rows: [{ tensor: 'a', weights: 256 }],
    });
    await loader.refresh();
    expect(asked).toHaveLength(1);
  });

  it('are requested again, one request at a time, when the host has others', async () => {
    const { store, asked, loader } = await setUp(3);
    const loading = loader.refresh();
    store.update({ sensitivity: tableOutline(4) });
    store.update({ sensitivity: tableOutline(5) });
    await asked[0]!.answer(at(3));
    expect([store.state.figures?.revision, asked.length]).toEqual([3, 2]);
    await asked[1]!.answer(at(5));
    await loading;
    expect([store.state.figures?.revision, asked.length]).toEqual([5, 2]);
  });

  it('of earlier files are dropped, and those of the present ones requested', async () => {
    const { store, asked, loader, outline } = await setUp(3);
    const loading = loader.refresh();
    store.open(stateOf(['b'], { ...outline(1), revision: 2 }));
    await asked[0]!.answer(at(9));
    expect([store.state.figures, asked.length]).toEqual([undefined, 2]);
    await asked[1]!.answer(at(1));
    await loading;
    expect(store.state.figures?.revision).toBe(1);
  });

  it('that cannot be loaded are shown as a problem, without a loop', async () => {
    const { store, asked, loader } = await setUp(3);
    const loading = loader.refresh();
    await asked[0]!.fail(new Error('The editor was closed.'));
    await loading;
    expect([store.state.problem, store.state.figures]).toEqual(['The editor was closed.', undefined]);
    for (const answer of [undefined, at(2)]) {
      const again = loader.refresh();
      await asked.at(-1)!.answer(answer);
      await again;
    }
    expect([asked.length, store.state.figures]).toEqual([3, undefined]);
  });
});
