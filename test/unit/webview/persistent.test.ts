import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { overFresh, PersistentValues } from '../../../webview/persistent';
import { firstModes } from '../../../webview/tabs';
import { emptyStorage, pageStore, stateOf } from '../../support/pageStore';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Reloads the page: the values that a new page reads from the storage of the previous one. */
function reloaded(storage: ReturnType<typeof emptyStorage>, model = 'm'): PersistentValues {
  vi.runAllTimers();
  storage.setState(JSON.parse(JSON.stringify(storage.getState() ?? null)));
  const values = new PersistentValues(storage);
  values.use(model);
  return values;
}

describe('values that outlive the page', () => {
  it('are there after a reload, each model with its own', () => {
    const storage = emptyStorage();
    const values = new PersistentValues(storage);
    values.use('m');
    values.set('filter', 'q_proj');
    values.set('gone', 1);
    values.set('gone', undefined);
    values.use('m alone');
    expect(values.get('filter')).toBeUndefined();
    values.set('filter', 'k_proj');
    expect(reloaded(storage).get('filter')).toBe('q_proj');
    expect(reloaded(storage).get('gone')).toBeUndefined();
    expect(reloaded(storage, 'm alone').get('filter')).toBe('k_proj');
  });

  it('are written together, once for many changes', () => {
    const storage = emptyStorage();
    const written = vi.spyOn(storage, 'setState');
    const values = new PersistentValues(storage);
    values.use('m');
    for (let at = 0; at < 100; at++) values.set('scroll', at);
    vi.runAllTimers();
    expect(written).toHaveBeenCalledTimes(1);
    expect(reloaded(storage).get('scroll')).toBe(99);
  });

  it('tell those who show them', () => {
    const values = new PersistentValues(emptyStorage());
    const heard = vi.fn();
    const end = values.subscribe('filter', heard);
    values.use('m');
    values.set('filter', 'a');
    values.set('sort', 'b');
    expect(heard).toHaveBeenCalledTimes(2); // another model, another value
    end();
    values.set('filter', 'c');
    expect(heard).toHaveBeenCalledTimes(2);
  });

  it('are stored in a bounded size: of many, the latest; none that is too long, though the page keeps it', () => {
    const storage = emptyStorage();
    const values = new PersistentValues(storage);
    values.use('m');
    const text = 'x'.repeat(10_000);
    for (let at = 0; at < 100; at++) values.set(`zoom ${at}`, text);
    values.set('endless', 'x'.repeat(1_000_000));
    expect(values.get('endless')).toHaveLength(1_000_000);
    const after = reloaded(storage);
    expect(JSON.stringify(storage.getState()).length).toBeLessThan(270_000);
    expect([0, 99].map((at) => after.get(`zoom ${at}`))).toEqual([undefined, text]);
    expect(after.get('endless')).toBeUndefined();
  });

  it.each([
    undefined,
    null,
    3,
    'x',
    [],
    { selected: 'a' },
    { version: 1 },
    { version: 2, models: [[3, 4], 'm'] },
  ])('are none where a state is not of this version: %j', (state) => {
    const storage = emptyStorage();
    storage.setState(state);
    expect(new PersistentValues(storage).use('m')).toBe(true);
  });

  it('of a form are those that it still has, of the same kind', () => {
    const fresh = { text: '', rules: [], only: false, options: {} };
    const stored = { text: 'ffn', rules: ['a'], only: 'yes', options: [], unknown: 1 };
    expect(overFresh(fresh, stored)).toEqual({ text: 'ffn', rules: ['a'], only: false, options: {} });
    for (const strange of [undefined, null, 'ffn', 3, ['ffn']]) expect(overFresh(fresh, strange)).toBe(fresh);
  });
});

describe('a page that is loaded again', () => {
  it('shows the page, the modes and the selection that it had', async () => {
    const storage = emptyStorage();
    const before = await pageStore(storage);
    before.open(stateOf(['a', 'b', 'c']));
    before.select(['a', 'c']);
    before.openTab('sensitivity');
    vi.runAllTimers();
    const after = await pageStore(storage);
    after.open(stateOf(['a', 'b', 'c']));
    const modes = { ...firstModes, quantize: 'tensors', plan: 'sensitivity' };
    expect(after.state).toMatchObject({ tab: 'plan', modes, selected: ['a', 'c'] });
  });

  it('leaves out tensors and modes that are no more', async () => {
    const storage = emptyStorage();
    const values = new PersistentValues(storage);
    values.use('/m.safetensors');
    values.set('selected', ['gone', 'b', 3]);
    values.set('modes', { plan: 'map', export: 'refine' });
    values.set('tab', 'metadata');
    vi.runAllTimers();
    const store = await pageStore(storage);
    store.open(stateOf(['a', 'b']));
    expect(store.state).toMatchObject({
      ...{ tab: 'model', selected: ['b'], modes: { ...firstModes, export: 'refine' } },
    });
  });

  it('stays where it is when one file of the model is shown alone for the first time', async () => {
    const store = await pageStore();
    store.open(stateOf(['a', 'b']));
    store.openTab('compare');
    store.open(stateOf(['a'], { part: { file: 'm', number: 1, count: 2, alone: true } }));
    expect(store.state.tab).toBe('compare');
  });
});
