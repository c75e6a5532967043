import { createContext } from 'preact';
import { useContext, useEffect, useState } from 'preact/hooks';
import type { WebviewRequests } from '../src/protocol/webview';
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

/** Asks the host for something a person clicked; a failure is shown under the header instead of being lost. */
export function useAsk() {
  const { store, host } = useApp();
  return async <M extends keyof WebviewRequests>(
    method: M,
    params: WebviewRequests[M]['params'],
  ): Promise<WebviewRequests[M]['result'] | undefined> => {
    if (store.state.problem !== undefined) store.update({ problem: undefined });
    try {
      return await host.call(method, params);
    } catch (error) {
      store.update({ problem: error instanceof Error ? error.message : String(error) });
      return undefined;
    }
  };
}
