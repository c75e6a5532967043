import { useEffect } from 'preact/hooks';
import { useApp, useAppState } from './context';

/** Asks what cannot be done with the model that the page shows, once for its files. */
export function useLimits(): void {
  const { host, store } = useApp();
  const { opening } = useAppState();
  useEffect(() => {
    if (opening === 0) return undefined; // nothing is shown yet
    const controller = new AbortController();
    const { signal } = controller;
    host.call('limits', {}, { signal }).then(
      (limits) => !signal.aborted && store.update({ limits }),
      // Nothing is forbidden then: each request says by itself why it fails.
      (error: unknown) =>
        !signal.aborted &&
        store.update({ limits: {}, problem: error instanceof Error ? error.message : String(error) }),
    );
    return () => controller.abort();
  }, [host, store, opening]);
}
