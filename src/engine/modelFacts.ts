import { modelIdentity } from '../architectures/identity/modelIdentity';
import type { Model } from '../model/model';
import { defined } from '../protocol/defined';
import type { ModelIdentity } from '../protocol/overview';
import { tokenizerName } from '../tokenizer/tokenizerName';

/** What a model is, from its headers and the small files next to it. @throws QuantscopeError IO, CANCELLED. */
export async function overviewOf(model: Model, signal?: AbortSignal): Promise<ModelIdentity> {
  return defined({ ...modelIdentity(model), tokenizer: await tokenizerName(model, signal) });
}
