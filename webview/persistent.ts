/** Where VS Code keeps the state of a page: it survives reloading the window. */
export interface StateStorage {
  getState(): unknown;
  setState(state: unknown): void;
}

/** Version of the layout below; a state of another one is not read. */
const version = 2;
/** Models of one editor that are remembered: the whole model, and its file alone. */
const maxModels = 2;
/** Characters of JSON that are stored of a model; values that were written longest ago are left out first. */
const maxCharacters = 256 * 1024;
/** A longer value is not stored. */
const maxValue = 64 * 1024;
/** How long writes are gathered (milliseconds): each one sends the whole state to VS Code. */
const writeDelay = 100;

/** Model and its values by key. */
type Stored = readonly [model: string, values: Readonly<Record<string, unknown>>];

/**
 * What the page remembers of a model: values by key, which must be plain JSON. They outlive views, which come and go with tabs, and the page
 * itself, as far as a bounded size allows.
 */
export class PersistentValues {
  private model = '';
  /** In the order in which they were written. */
  private values = new Map<string, unknown>();
  private others: readonly Stored[];
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly listeners = new Map<string, Set<() => void>>();

  constructor(private readonly storage: StateStorage) {
    this.others = storedOf(storage.getState());
  }

  /**
   * From now on values are about this model.
   * @returns whether it is another one than before.
   */
  use(model: string): boolean {
    if (model === this.model) return false;
    if (this.model !== '') this.others = [this.stored(), ...this.others];
    const known = this.others.find(([name]) => name === model);
    this.others = this.others.filter((other) => other !== known).slice(0, maxModels - 1);
    this.model = model;
    this.values = new Map(Object.entries(known?.[1] ?? {}));
    for (const listeners of this.listeners.values()) for (const listener of listeners) listener();
    return true;
  }

  /** The value as it was written, or as JSON gave it back; undefined where there is none. */
  get(key: string): unknown {
    return this.values.get(key);
  }

  /** @param value plain JSON; undefined forgets the key. */
  set(key: string, value: unknown): void {
    if (this.model === '') return;
    this.values.delete(key); // it is now the last one that was written
    if (value !== undefined) this.values.set(key, value);
    this.timer ??= setTimeout(() => this.write(), writeDelay);
    for (const listener of this.listeners.get(key) ?? []) listener();
  }

  /** Calls a listener after each change of a key. @returns what ends the subscription. */
  subscribe(key: string, listener: () => void): () => void {
    const listeners = this.listeners.get(key) ?? new Set();
    this.listeners.set(key, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.listeners.delete(key);
    };
  }

  /** The values that there is room for, the last ones that were written first. */
  private stored(): Stored {
    let left = maxCharacters;
    const kept = [...this.values].reverse().filter(([key, value]) => {
      const characters = key.length + JSON.stringify(value).length;
      const fits = characters <= Math.min(left, maxValue);
      if (fits) left -= characters;
      return fits;
    });
    return [this.model, Object.fromEntries(kept.reverse())];
  }

  private write(): void {
    this.timer = undefined;
    this.storage.setState({ version, models: [this.stored(), ...this.others] });
  }
}

/** What a state holds, if it is one of this version. */
function storedOf(state: unknown): readonly Stored[] {
  if (!isRecord(state) || state['version'] !== version || !Array.isArray(state['models'])) return [];
  return (state['models'] as unknown[]).filter(
    (item): item is Stored => Array.isArray(item) && typeof item[0] === 'string' && isRecord(item[1]),
  );
}

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Names that were stored; undefined where it is no list. */
export const namesFrom = (stored: unknown): readonly string[] | undefined =>
  Array.isArray(stored) ? stored.filter((name): name is string => typeof name === 'string') : undefined;

/** The fields of a stored object that a fresh one has, of the same kind, over the fresh one: others are of an earlier version. */
export function overFresh<T extends object>(fresh: T, stored: unknown): T {
  if (!isRecord(stored)) return fresh;
  const known = Object.entries(stored).filter(
    ([name, value]) => name in fresh && isAlike(fresh[name as keyof T], value),
  );
  return { ...fresh, ...Object.fromEntries(known) };
}

/** Whether two values are of one kind: both texts, both lists, both records… */
export const isAlike = (a: unknown, b: unknown): boolean =>
  typeof a === typeof b && Array.isArray(a) === Array.isArray(b) && (a === null) === (b === null);
