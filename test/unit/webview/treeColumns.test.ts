import { describe, expect, it } from 'vitest';
import { chosenColumns, layOutColumns, toggled, treeColumns } from '../../../webview/treeColumns';
import { sortFrom } from '../../../webview/treeRows';

const idsOf = (chosen: readonly string[] | undefined, hasPlan = false): string[] =>
  chosenColumns(chosen, hasPlan).map(({ id }) => id);
const usual = ['name', 'shape', 'dtype', 'parameters', 'bytes', 'bits'];

describe('columns of the tree', () => {
  it('are the usual ones until some are chosen; that of the plan needs a plan', () => {
    expect(idsOf(undefined)).toEqual(usual);
    expect(idsOf(undefined, true)).toEqual([...usual, 'plan']);
    expect(idsOf(['plan', 'error'])).toEqual(['name', 'error']);
    expect(idsOf(['error', 'of another version', 'shape'], true)).toEqual(['name', 'shape', 'error']);
  });

  it('are shown and hidden one by one, and the usual ones are no choice', () => {
    const withGain = toggled(undefined, 'gain')!;
    expect(idsOf(withGain, true)).toEqual([...usual, 'plan', 'gain']);
    expect(toggled(withGain, 'gain')).toBeUndefined();
    expect(idsOf(toggled(toggled(withGain, 'dtype'), 'bits'), true)).toEqual([
      ...['name', 'shape', 'parameters', 'bytes', 'plan', 'gain'],
    ]);
  });

  it('give way where there is no room, but not those that the user added', () => {
    const hidden = (width: number, chosen?: readonly string[], hasPlan = false): string[] => [
      ...layOutColumns(chosenColumns(chosen, hasPlan), width).hidden,
    ];
    expect(hidden(0)).toEqual([]);
    expect(hidden(720)).toEqual([]);
    expect(hidden(640)).toEqual(['parameters']);
    expect(hidden(480)).toEqual(['parameters', 'shape']);
    expect(hidden(480, undefined, true)).toEqual(['parameters', 'dtype', 'shape']);
    const all = treeColumns.map(({ id }) => id as string);
    expect(hidden(300, all)).toEqual(['parameters', 'shape', 'dtype', 'bytes']);
  });

  it('are as wide as they need to be: a tree with many scrolls', () => {
    const few = layOutColumns(chosenColumns(['bits', 'error'], false), 300);
    expect(few).toMatchObject({ template: 'minmax(110px, 1fr) 94px 108px', minWidth: 352 });
  });

  it('can be what lines are sorted by', () => {
    const of = (column: unknown) => sortFrom({ column, descending: true })?.column;
    expect(treeColumns.map(({ id }) => of(id))).toEqual(treeColumns.map(({ id }) => id));
    expect([of('toString'), of(3), sortFrom(undefined)]).toEqual([undefined, undefined, undefined]);
  });
});
