import { isRecord, namesFrom, overFresh, type PersistentValues } from './persistent';
import { firstModes, modesOf, tabs, type Modes, type Tab } from './tabs';
import type { RefinementForm } from './views/refine/form';

/** The parts of the state that outlive the page. */
interface Remembered {
  readonly tab: Tab;
  readonly modes: Modes;
  readonly selected: readonly string[];
  readonly refinementForm: RefinementForm;
}

/** How each part is read from what an earlier page, perhaps of an earlier version, has stored. */
const readers: { readonly [K in keyof Remembered]: (stored: unknown) => Remembered[K] | undefined } = {
  tab: (stored) => tabs.find(({ id }) => id === stored)?.id,
  modes: (stored) => (stored === undefined ? undefined : modesFrom(stored)),
  selected: namesFrom,
  refinementForm: (stored) => (isRecord(stored) ? (stored as unknown as RefinementForm) : undefined),
};

/** More selected tensors are not remembered. */
const maxSelected = 500;

/** What was stored of the model that the values are about; parts that were not are absent. */
export function recall(values: PersistentValues): Partial<Remembered> {
  const parts = Object.entries(readers).map(([name, read]) => [name, read(values.get(name))] as const);
  return Object.fromEntries(parts.filter(([, value]) => value !== undefined));
}

/**
 * Stores the parts that a change of the state is about.
 * @param isSelected whether the user made the selection: another one is not stored.
 */
export function remember(values: PersistentValues, change: Partial<Remembered>, isSelected: boolean): void {
  const { tab, modes, selected, refinementForm } = change;
  if (tab !== undefined) values.set('tab', tab);
  if (modes !== undefined) values.set('modes', modes);
  if (refinementForm !== undefined) values.set('refinementForm', refinementForm);
  if (selected !== undefined && isSelected) values.set('selected', selected.slice(-maxSelected));
}

/** Modes that exist; the first one of a page instead of any other. */
function modesFrom(stored: unknown): Modes {
  const modes = overFresh(firstModes, stored);
  const pages = tabs.flatMap(({ id }) => {
    const ids = modesOf(id).map((mode) => mode.id);
    const mode = modes[id as keyof Modes];
    return ids.length > 0 && !ids.includes(mode) ? [[id, ids[0]!] as const] : [];
  });
  return { ...modes, ...(Object.fromEntries(pages) as Partial<Modes>) };
}
