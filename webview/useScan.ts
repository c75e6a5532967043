import type { ModelScan, ScanSettings } from '../src/protocol/modelScan';
import type { ScanActivity } from '../src/protocol/modelScanView';
import { useApp, useAppState, useAsk } from './context';
import { useAnswer } from './useAnswer';

/** The scan of the model, as far as it is. */
export interface Scan {
  /** What was scanned by now; undefined until the host has said it. */
  readonly value: ModelScan | undefined;
  readonly failure: string | undefined;
  readonly activity: ScanActivity;
  /** Scans what has not been scanned. */
  readonly start: () => void;
  readonly cancel: () => void;
}

/**
 * @param format that relative errors are measured in, too; undefined for none.
 * @param isWanted false asks for nothing.
 */
export function useScan(format: string | undefined, isWanted = true): Scan {
  const { host } = useApp();
  const ask = useAsk();
  const { opening, scanActivity, scanned } = useAppState();
  const settings: ScanSettings = format === undefined ? {} : { format };
  const key = isWanted ? `${opening} ${scanned} ${format ?? ''}` : undefined;
  const { value, failure } = useAnswer(key, (signal) => host.call('scanFigures', settings, { signal }));
  return {
    value: value?.scan,
    failure,
    activity: scanActivity ?? value?.activity ?? { kind: 'idle' },
    start: () => void ask('scanModel', settings),
    cancel: () => void ask('cancelScan', {}),
  };
}
