import { modelIdentity } from '../architectures/identity/modelIdentity';
import { modelLimits } from '../architectures/modelLimits';
import type { Model } from '../model/model';
import { defined } from '../protocol/defined';
import type { ModelDescription } from '../protocol/model';
import type { ModelIdentity } from '../protocol/overview';
import { tokenizerName } from '../tokenizer/tokenizerName';

/** The description of a model, with what cannot be done with it. */
export function describedModel(model: Model): ModelDescription {
  const limits = modelLimits(model);
  return { ...model.description, ...(Object.keys(limits).length === 0 ? {} : { limits }) };
}

/** What a model is, from its headers and the small files next to it. @throws QuantscopeError IO, CANCELLED. */
export async function overviewOf(model: Model, signal?: AbortSignal): Promise<ModelIdentity> {
  return defined({ ...modelIdentity(model), tokenizer: await tokenizerName(model, signal) });
}
