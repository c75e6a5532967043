import { useEffect } from 'preact/hooks';
import { useApp, useAppState } from './context';
import type { Figures } from './influence';

/** The measurements; while there are others, those that the page has. */
export function useFigures(): Figures | undefined {
  const { figures: loader } = useApp();
  const { opening, sensitivity, figures } = useAppState();
  useEffect(() => void loader.refresh(), [loader, opening, sensitivity?.revision]);
  return figures;
}
