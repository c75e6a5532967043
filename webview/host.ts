import { unpack } from '../src/protocol/packed';
import type { EngineProgress } from '../src/protocol/engine';
import { Rpc } from '../src/protocol/rpc';
import type { QuantizationStep } from '../src/protocol/quantizationView';
import type { HostEvents, WebviewRequests } from '../src/protocol/webview';
import { withStep } from './quantization';
import type { Store } from './store';
import { api } from './vscodeApi';

export type Host = Rpc<Record<never, never>, HostEvents, WebviewRequests, Record<never, never>>;

/** Connects the store to the extension host. The page's epoch keeps its messages apart from those of any other page. */
export function connect(store: Store): Host {
  const host: Host = new Rpc(
    {
      post: (message) => api.postMessage(message),
      onMessage(listener) {
        const receive = (event: MessageEvent): void => listener(unpack(event.data));
        window.addEventListener('message', receive);
        return { dispose: () => window.removeEventListener('message', receive) };
      },
    },
    {},
    {
      job: (job) => store.update({ job }),
      device: (device) => store.update({ device }),
      sensitivity: (sensitivity) => store.update({ sensitivity }),
      plan: (plan) => store.update({ plan }),
      savedPlans: ({ revision }) => store.update({ savedPlans: revision }),
      comparison: (comparison) => store.update({ comparison }),
      modelComparison: (modelComparison) => store.update({ modelComparison }),
      modelProgress: (progress) => followComparison(store, progress),
      verification: (verification) => store.update({ verification }),
      scan: (scanActivity) => store.update({ scanActivity }),
      scanned: ({ revision }) => store.update({ scanned: revision }),
      refinement: (refinement) => store.update({ refinement }),
      evaluation: (evaluation) => store.update({ evaluation }),
      evaluationResults: (evaluationResults) => store.update({ evaluationResults }),
      quantization: (step) => void followQuantization(store, host, step),
      opened: (state) => store.open(state),
      openFailed: ({ message }) => store.update({ failure: message }),
      reveal: ({ tensor }) => store.select([tensor]),
      tab: (tab) => store.openTab(tab),
    },
    `${Date.now().toString(36)}.${Math.random().toString(36).slice(2)}`,
  );
  return host;
}

function followComparison(store: Store, progress: EngineProgress): void {
  const { modelComparison } = store.state;
  if (modelComparison) store.update({ modelComparison: { ...modelComparison, progress } });
}

/** Applies a step; where earlier ones are missing and a view shows the run, the whole run is requested. */
async function followQuantization(store: Store, host: Host, step: QuantizationStep): Promise<void> {
  const next = withStep(store.state.quantization, step);
  if (next) store.update({ quantization: next });
  else if (store.state.recipeChoices) await openQuantization(store, host);
}

/** Requests what the page that quantizes the model needs. @returns why that failed. */
export async function openQuantization(store: Store, host: Host): Promise<string | undefined> {
  try {
    const { choices, step, text } = await host.call('openQuantization', {});
    const quantization = step && withStep(undefined, step);
    store.update({
      recipeChoices: choices,
      ...(quantization ? { quantization } : {}),
      ...(text === undefined ? {} : { calibrationText: text }),
    });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Asks for the model: at the start, and again after it could not be opened. */
export async function openModel(store: Store, host: Host): Promise<void> {
  store.update({ failure: undefined });
  try {
    store.open(await host.call('ready', {}));
  } catch (error) {
    store.update({ failure: error instanceof Error ? error.message : String(error) });
  }
}
