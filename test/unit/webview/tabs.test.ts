import { describe, expect, it } from 'vitest';
import { destinations, firstModes, modesOf, tabs } from '../../../webview/tabs';
import { pageStore, stateOf } from '../../support/pageStore';

describe('pages', () => {
  it('are in the order of the work, each with what it is for', () => {
    expect(tabs.map(({ label }) => label)).toEqual([
      ...['Model', 'Tensor', 'Quantize', 'Plan', 'Evaluate', 'Compare', 'Export'],
    ]);
    for (const { hint } of tabs) expect(hint).toMatch(/^[A-Z].*\.$/);
  });

  it('have modes, of which the first is shown first', () => {
    const labels = tabs.map(({ id }) => modesOf(id).map(({ label }) => label));
    expect(labels).toEqual([
      ...[[], [], ['One tensor', 'Several tensors', 'Whole model'], ['Plan', 'Sensitivity']],
      ...[
        ['Perplexity and divergence', 'Importance matrix', 'Errors by block', 'Chat'],
        [],
        ['Export', 'Refine'],
      ],
    ]);
    for (const tab of ['quantize', 'plan', 'evaluate', 'export'] as const)
      expect(modesOf(tab)[0]!.id).toBe(firstModes[tab]);
    const ofPairs = modesOf('evaluate', { run: 'It embeds.', embeds: true });
    expect(ofPairs[0]!.label).toBe('Pairs of texts');
  });

  it('are where commands lead, with modes that exist', () => {
    for (const { tab, modes = {} } of Object.values(destinations))
      for (const [page, mode] of Object.entries(modes))
        if (page !== 'tensors') {
          expect(page).toBe(tab);
          expect(modesOf(tab).map(({ id }) => id)).toContain(mode);
        }
  });
});

describe('a fresh page', () => {
  it('shows the model, and a tensor once one is selected', async () => {
    const store = await pageStore();
    store.open(stateOf(['a', 'b']));
    expect(store.state.tab).toBe('model');
    store.select(['b']);
    expect(store.state).toMatchObject({ tab: 'tensor', selected: ['b'], isSelected: true });
  });

  it('shows what a command asks for, and leaves other pages in their modes', async () => {
    const store = await pageStore();
    store.open(stateOf(['a'], { tab: 'quantizeModel' }));
    store.openTab('refine');
    const modes = { ...firstModes, quantize: 'wholeModel', export: 'refine' };
    expect(store.state).toMatchObject({ tab: 'export', modes });
  });

  it('stays where the page is about the selected tensors', async () => {
    const store = await pageStore();
    store.open(stateOf(['a', 'b']));
    const after = (open: keyof typeof destinations): string => {
      store.openTab(open);
      store.select(['b']);
      return store.state.tab;
    };
    expect(after('methods')).toBe('quantize');
    store.select(['a', 'b']);
    expect(store.state.modes.quantize).toBe('tensors');
    store.select(['b']);
    expect(store.state.modes.quantize).toBe('tensor');
    expect(after('sensitivity')).toBe('plan');
    for (const other of ['quantizeModel', 'evaluate', 'compare', 'refine'] as const)
      expect(after(other)).toBe('tensor');
  });
});
