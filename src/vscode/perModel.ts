import type { ModelRef } from '../protocol/model';
import { sessionKey } from './paths';

/** One of each kind of run for every model, until the window closes: a run needs no open editor. */
export class PerModel<T extends { dispose(): void }> {
  private readonly byKey = new Map<string, T>();

  constructor(private readonly make: (model: ModelRef) => T) {}

  get(model: ModelRef): T {
    const key = sessionKey(model);
    const known = this.byKey.get(key);
    if (known) return known;
    const made = this.make(model);
    this.byKey.set(key, made);
    return made;
  }

  all(): T[] {
    return [...this.byKey.values()];
  }

  dispose(): void {
    for (const item of this.byKey.values()) item.dispose();
    this.byKey.clear();
  }
}
