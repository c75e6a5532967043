import { useEffect } from 'preact/hooks';
import { useApp, useAppState } from './context';
import type { Figures } from './influence';

/** The measurements; while there are others, those that the page has. @param isWanted false asks for none. */
export function useFigures(isWanted = true): Figures | undefined {
  const { figures: loader } = useApp();
  const state = useAppState();
  const { opening, sensitivity } = state;
  useEffect(() => {
    if (isWanted) void loader.refresh();
  }, [loader, isWanted, opening, sensitivity?.revision]);
  return isWanted ? state.figures : undefined;
}
