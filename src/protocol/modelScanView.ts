import type { EngineProgress } from './engine';
import type { ModelScan, ScanSettings } from './modelScan';

/** State of the scan of a model, as the host tells the page. */
export type ScanActivity =
  | { readonly kind: 'idle' }
  | { readonly kind: 'running'; readonly settings: ScanSettings; readonly progress?: EngineProgress }
  | { readonly kind: 'cancelled'; readonly settings: ScanSettings }
  | { readonly kind: 'failed'; readonly settings: ScanSettings; readonly message: string };

/** What was scanned by now. The revision increases whenever there are further figures. */
export interface ScannedFigures {
  readonly revision: number;
  readonly activity: ScanActivity;
  readonly scan: ModelScan;
}
