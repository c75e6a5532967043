import type { Handlers } from '../../protocol/rpc';
import type { WebviewRequests } from '../../protocol/webview';
import type { ModelSession } from '../modelSession';
import type { Services } from '../services';

type ScanHandlers = Pick<Handlers<WebviewRequests>, 'scanModel' | 'cancelScan' | 'scanFigures'>;

/** Figures of all tensors of the model. */
export function scanHandlers({ start }: Services, { scans }: ModelSession): ScanHandlers {
  return {
    scanModel: (settings) => start(scans.run(settings)),
    cancelScan: () => scans.cancel(),
    scanFigures: (settings, { signal }) => scans.figures(settings, signal),
  };
}
