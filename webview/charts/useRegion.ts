import { useEffect, useState } from 'preact/hooks';
import type { RegionMap, TensorRegion } from '../../src/protocol/analysis';
import { useApp } from '../context';

/** The content of a region; the previous one stays until the next has loaded. Undefined without a region. */
export function useRegion(tensor: string, region: TensorRegion | undefined) {
  const { host } = useApp();
  const [attempt, setAttempt] = useState(0);
  const [state, setState] = useState<{ map?: RegionMap; failure?: string; isLoading: boolean }>({
    isLoading: false,
  });
  useEffect(() => {
    if (!region) {
      setState({ isLoading: false });
      return undefined;
    }
    const controller = new AbortController();
    const { signal } = controller;
    setState(({ map }) => ({ ...(map ? { map } : {}), isLoading: true }));
    host.call('region', { tensor, region }, { signal }).then(
      (map) => !signal.aborted && setState({ map, isLoading: false }),
      (error: unknown) =>
        !signal.aborted &&
        setState({ failure: error instanceof Error ? error.message : String(error), isLoading: false }),
    );
    return () => controller.abort();
  }, [tensor, region, attempt]);
  return { ...state, retry: () => setAttempt(attempt + 1) };
}
