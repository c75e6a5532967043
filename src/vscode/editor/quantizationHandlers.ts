import type { Handlers } from '../../protocol/rpc';
import type { WebviewRequests } from '../../protocol/webview';
import {
  announced,
  chooseOutput,
  quantizeModel,
  resolveOutput,
  useQuantized,
} from '../commands/quantizeModel';
import { Latest } from '../latest';
import type { ModelSession } from '../modelSession';
import type { Services } from '../services';
import { textsBeside } from './texts';

type QuantizationHandlers = Pick<
  Handlers<WebviewRequests>,
  | 'openQuantization'
  | 'previewQuantization'
  | 'chooseOutput'
  | 'resolveOutput'
  | 'quantizeModel'
  | 'cancelQuantization'
  | 'repeatQuantization'
  | 'useQuantized'
>;

/** Requests of the page that quantizes the model. Runs are started, not awaited: events report their progress. */
export function quantizationHandlers(services: Services, session: ModelSession): QuantizationHandlers {
  const { engine, quantizations, start } = services;
  const run = quantizations.get(session.ref);
  const previews = new Latest(); // of this page: another editor of the model has its own form
  return {
    openQuantization: async (_, { signal }) => {
      const choices = await engine.call('recipes/list', {}, { signal });
      const { calibrationText } = await textsBeside(session.folder);
      return {
        choices,
        ...(run.whole ? { step: run.whole } : {}),
        ...(calibrationText === undefined ? {} : { text: calibrationText }),
      };
    },
    previewQuantization: ({ settings }, { signal }) => run.preview(settings, previews.next(signal)),
    chooseOutput: (params) => chooseOutput(session, params),
    resolveOutput: (params, { signal }) => resolveOutput(services, session, params, signal),
    quantizeModel: (params) => start(quantizeModel(services, session, params)),
    cancelQuantization: () => run.cancel(),
    repeatQuantization: () => start(announced(services, run, () => run.repeat())),
    useQuantized: ({ what }) => useQuantized(services, session, what),
  };
}
