import type { Handlers } from '../../protocol/rpc';
import type { WebviewRequests } from '../../protocol/webview';
import type { ModelSession } from '../modelSession';
import type { Services } from '../services';

type ModelHandlers = Pick<Handlers<WebviewRequests>, 'overview'>;

/** Requests of the page about the whole model. */
export function modelHandlers({ engine }: Services, session: ModelSession): ModelHandlers {
  return {
    overview: (_, { signal }) => engine.call('model/overview', session.ref, { signal }),
  };
}
