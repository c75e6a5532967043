import { modelIdentity } from '../architectures/identity/modelIdentity';
import { modelLimits } from '../architectures/modelLimits';
import type { Model } from '../model/model';
import { membersOf, withTensorsOf } from '../model/tabledModel';
import { defined } from '../protocol/defined';
import type { ModelDescription } from '../protocol/model';
import type { ModelIdentity } from '../protocol/overview';
import { tokenizerName } from '../tokenizer/tokenizerName';

/** The description of a model, with what cannot be done with it. */
export function describedModel(model: Model): ModelDescription {
  const limits = modelLimits(model);
  const { description } = model;
  return Object.keys(limits).length === 0
    ? description
    : withTensorsOf({ ...membersOf(description), limits }, description);
}

/** What a model is, from its headers and the small files next to it. @throws QuantscopeError IO, CANCELLED. */
export async function overviewOf(model: Model, signal?: AbortSignal): Promise<ModelIdentity> {
  return defined({ ...modelIdentity(model), tokenizer: await tokenizerName(model, signal) });
}
