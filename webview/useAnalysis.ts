import { useEffect, useState } from 'preact/hooks';
import type { TensorAnalysis } from '../src/protocol/analysis';
import type { EngineProgress } from '../src/protocol/engine';
import type { TensorDescriptor } from '../src/protocol/model';
import { useApp, useAppState } from './context';

/** Largest tensor that is read automatically when an editor opens (bytes). */
const unaskedBytes = 64_000_000;

export type AnalysisView =
  | { readonly kind: 'none' }
  /** Large and not yet selected: read on demand. */
  | { readonly kind: 'asks'; readonly start: () => void }
  | { readonly kind: 'reading'; readonly progress?: EngineProgress | undefined }
  | { readonly kind: 'done'; readonly analysis: TensorAnalysis }
  | { readonly kind: 'failed'; readonly message: string; readonly start: () => void };

/** The analysis of the selected tensor. Only the latest selection is read: an earlier one is cancelled, down to the engine. */
export function useAnalysis(tensor: TensorDescriptor | undefined): AnalysisView {
  const { analyses } = useApp();
  const { revision, isSelected } = useAppState();
  const name = tensor?.readable ? tensor.name : undefined;
  const key = `${revision} ${name}`;
  const [asked, setAsked] = useState<{ key: string; time: number }>();
  const [shown, setShown] = useState<{ key: string; view: AnalysisView }>();
  const isWanted = isSelected || (tensor?.byteLength ?? 0) <= unaskedBytes || asked?.key === key;
  const start = (): void => setAsked({ key, time: Date.now() });
  const kept = name === undefined ? undefined : analyses.find(revision, name);
  const isDone = kept !== undefined;
  useEffect(() => {
    if (name === undefined || isDone || !isWanted) return undefined;
    let isLate = false;
    const show = (view: AnalysisView): void => {
      if (!isLate) setShown({ key, view });
    };
    show({ kind: 'reading' });
    analyses
      .request(revision, name, (progress) => show({ kind: 'reading', progress }))
      .then(
        (analysis) => show({ kind: 'done', analysis }),
        (error: unknown) =>
          show({ kind: 'failed', message: error instanceof Error ? error.message : String(error), start }),
      );
    return () => {
      isLate = true;
      analyses.cancel();
    };
  }, [key, isWanted, asked?.time]);
  if (name === undefined) return { kind: 'none' };
  if (kept) return { kind: 'done', analysis: kept };
  if (!isWanted) return { kind: 'asks', start };
  return shown?.key === key ? shown.view : { kind: 'reading' };
}
