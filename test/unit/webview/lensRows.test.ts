import { describe, expect, it } from 'vitest';
import type { EngineProgress } from '../../../src/protocol/engine';
import type { LensRecipe, LensRow } from '../../../src/protocol/lens';
import { askLens, knownLens, type Wanted } from '../../../webview/lensRows';

const [round, gptq]: [LensRecipe, LensRecipe] = [
  { grid: 'int4-g32', method: 'rtn' },
  { grid: 'int4-g32', method: 'gptq' },
];
const wanted = (tensor: string, recipes: readonly LensRecipe[] = [round, gptq]): Wanted => ({
  ...{ tensor, recipes, options: {}, basis: '1' },
});
const refused = (recipe: LensRecipe): LensRow => ({ ...recipe, refused: 'no' });
const { signal } = new AbortController();

type Call = (
  method: 'lens',
  params: { readonly recipes: readonly LensRecipe[] },
  options: { readonly onProgress: (progress: EngineProgress) => void },
) => Promise<void>;

/** A host that reports a row for each recipe, and the methods that it was asked for. */
function hostOf(rowOf: (recipe: LensRecipe) => LensRow) {
  const asked: (readonly string[])[] = [];
  const call: Call = (_, { recipes }, { onProgress }) =>
    new Promise((resolve) => {
      asked.push(recipes.map(({ method }) => method));
      for (const recipe of recipes)
        onProgress({ message: '', done: 0, total: 1, lens: { rows: [rowOf(recipe)] } });
      resolve();
    });
  return { asked, host: { call } as unknown as Parameters<typeof askLens>[0] };
}

describe('rows of a lens', () => {
  it('keep what is known, and ask for the rest', async () => {
    const { asked, host } = hostOf(refused);
    let changes = 0;
    const ask = (of: Wanted) => askLens(host, of, signal, () => (changes += 1));
    await ask(wanted('a', [round]));
    await ask(wanted('a'));
    await ask(wanted('a'));
    await ask({ ...wanted('a'), options: { gptq: { damping: 0.1 } } });
    expect(asked).toEqual([['rtn'], ['gptq'], ['gptq']]);
    expect(changes).toBe(3);
    expect([...knownLens(wanted('a')).rows.values()]).toEqual([refused(round), refused(gptq)]);
    expect(knownLens({ ...wanted('a'), basis: '2' }).rows.size).toBe(0);
  });

  it('ask again for a row that is of a part of the weights', async () => {
    const { asked, host } = hostOf((recipe) => ({ ...refused(recipe), share: 0.5 }));
    await askLens(host, wanted('b', [round]), signal, () => undefined);
    expect(knownLens(wanted('b', [round])).rows.get('int4-g32 rtn')).toMatchObject({ share: 0.5 });
    await askLens(host, wanted('b', [round]), signal, () => undefined);
    expect(asked).toEqual([['rtn'], ['rtn']]);
  });

  it('keep what was measured before a failure, and what rows share', async () => {
    const facts = { tensor: 'c', sourceBytes: 1, histogram: { min: 0, max: 1, counts: [] } };
    const call: Call = (_, __, { onProgress }) => {
      onProgress({ message: '', done: 0, total: 1, lens: { facts, rows: [refused(round)] } });
      return Promise.reject(new Error('The engine process ended.'));
    };
    const host = { call } as unknown as Parameters<typeof askLens>[0];
    await expect(askLens(host, wanted('c'), signal, () => undefined)).rejects.toThrow('ended');
    expect(knownLens(wanted('c'))).toEqual({ facts, rows: new Map([['int4-g32 rtn', refused(round)]]) });
  });
});
