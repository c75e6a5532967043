import { useMemo } from 'preact/hooks';
import { useAppState } from './context';

/** What the plan gives a tensor of the model; undefined without a plan, and for a tensor that it chooses nothing for. */
export function usePlannedFormat(tensor: string): string | undefined {
  const { model, plan } = useAppState();
  const place = useMemo(() => model?.table.indexOf(tensor) ?? -1, [model, tensor]);
  return plan?.formats[plan.of[place] ?? -1]?.format;
}
