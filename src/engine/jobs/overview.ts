import { modelIdentity } from '../../architectures/identity/modelIdentity';
import { defined } from '../../protocol/defined';
import { tokenizerName } from '../../tokenizer/tokenizerName';
import { checkParams, modelKinds, type Job } from '../job';
import type { OpenModels } from '../models';

/** What a model is, from its headers and the small files next to it. */
export function overviewJob(models: OpenModels): Job<'model/overview'> {
  return (params, { signal }) => {
    checkParams('model/overview', params, modelKinds);
    return models.use(params, signal, async (model) =>
      defined({ ...modelIdentity(model), tokenizer: await tokenizerName(model, signal) }),
    );
  };
}
