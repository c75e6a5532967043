import { useEffect, useMemo, useState } from 'preact/hooks';
import { useApp, useAppState } from '../context';
import type { Tile } from './tiles';
import { TileStore } from './tileStore';

/** Tiles of a tensor; the component is drawn again when one has come. */
export function useTiles(tensor: string): TileStore {
  const { host } = useApp();
  const { revision } = useAppState();
  const [, redraw] = useState(0);
  const store = useMemo(() => {
    const ask = ({ region, cell }: Tile, signal: AbortSignal) =>
      host.call('region', { tensor, region, cell }, { signal });
    return new TileStore(ask, () => redraw((n) => n + 1));
  }, [tensor, revision, host]);
  useEffect(() => () => store.close(), [store]);
  return store;
}
