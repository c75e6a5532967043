import type { Handlers } from '../../protocol/rpc';
import type { RunTarget } from '../../protocol/runEstimate';
import type { WebviewRequests } from '../../protocol/webview';
import type { ModelSession } from '../modelSession';
import type { Services } from '../services';

type ModelHandlers = Pick<Handlers<WebviewRequests>, 'limits' | 'overview' | 'runChoices' | 'estimateRun'>;

/** Requests of the page about the whole model. */
export function modelHandlers({ engine }: Services, session: ModelSession): ModelHandlers {
  const targetOf = async (target: WebviewRequests['estimateRun']['params']['target']): Promise<RunTarget> => {
    if (target.kind !== 'ownPlan') return target;
    const { planFile } = await session.plans.file(true);
    return { kind: 'plan', planFile: planFile! };
  };
  return {
    limits: (_, { signal }) => engine.call('model/limits', session.ref, { signal }),
    overview: (_, { signal }) => engine.call('model/overview', session.ref, { signal }),
    runChoices: async (_, { signal }) => {
      const { fileTypes } = await engine.call('export/fileTypes', {}, { signal });
      const { recipes } = await engine.call('recipes/list', {}, { signal });
      return {
        types: fileTypes.map(({ name }) => name),
        recipes: recipes.filter(({ recipe }) => recipe.target !== 'gguf').map(({ recipe }) => recipe),
      };
    },
    estimateRun: async ({ target, ...settings }, { signal }) => {
      const params = { ...session.ref, ...settings, targets: [await targetOf(target)] };
      return engine.call('model/estimate', params, { signal });
    },
  };
}
