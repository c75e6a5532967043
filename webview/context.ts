import { createContext } from 'preact';
import { useContext, useEffect, useRef, useState } from 'preact/hooks';
import type { WebviewRequests } from '../src/protocol/webview';
import type { Analyses } from './analyses';
import type { FiguresLoader } from './figures';
import { openModel, type Host } from './host';
import type { PersistentValues } from './persistent';
import type { PlanLoader } from './planLoader';
import type { State, Store } from './store';
import type { ViewJobs } from './viewJobs';

export interface App {
  readonly store: Store;
  readonly persistent: PersistentValues;
  readonly host: Host;
  readonly analyses: Analyses;
  readonly figures: FiguresLoader;
  readonly plans: PlanLoader;
  readonly jobs: ViewJobs;
}

export const AppContext = createContext<App | undefined>(undefined);

/** What the parts of this editor share. */
export function useApp(): App {
  const app = useContext(AppContext);
  if (!app) throw new Error('outside the editor');
  return app;
}

/** The current state; the component is drawn again when what it read of it changes, and at no other change. */
export function useAppState(): State {
  const { store } = useApp();
  const [, redraw] = useState(0);
  const read = useRef(new Map<string | symbol, unknown>());
  read.current = new Map();
  useEffect(() => {
    const follow = (): void => {
      for (const [key, value] of read.current)
        if (!Object.is(Reflect.get(store.state, key), value)) return redraw((n) => n + 1);
    };
    follow(); // what changed between drawing and now
    return store.subscribe(follow);
  }, [store]);
  const reads = read.current;
  return new Proxy(store.state, {
    get(state, key) {
      const value: unknown = Reflect.get(state, key);
      reads.set(key, value);
      return value;
    },
  });
}

/** Opens the model again after it could not be opened. */
export function useRetry(): () => Promise<void> {
  const { store, host } = useApp();
  return () => openModel(store, host);
}

/** Sends a request that the user clicked to the host; a failure is shown under the header instead of being lost. */
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
