import { createContext } from 'preact';
import { useContext, useEffect, useState } from 'preact/hooks';
import type { Host } from './host';
import type { State, Store } from './store';

export const AppContext = createContext<{ store: Store; host: Host } | undefined>(undefined);

/** The store and the host of this editor. */
export function useApp(): { store: Store; host: Host } {
  const app = useContext(AppContext);
  if (!app) throw new Error('outside the editor');
  return app;
}

/** The current state; the component is drawn again when it changes. */
export function useAppState(): State {
  const { store } = useApp();
  const [, redraw] = useState(0);
  useEffect(() => store.subscribe(() => redraw((n) => n + 1)), [store]);
  return store.state;
}
