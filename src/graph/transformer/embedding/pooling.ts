import type { GgufView } from '../../../architectures/ggufView';
import { QuantscopeError } from '../../../model/errors';
import type { Pooling } from './embeddingPass';

/** Values of `pooling_type` (llama.h). */
const poolings: ReadonlyMap<number, Pooling> = new Map([
  [1, 'mean'],
  [2, 'first'],
  [3, 'last'],
]);

/** Neither a vector of each token nor one of the text: the score of a pair. */
const ranking = 4;

/**
 * How a model says that the states of a text become one vector; undefined where it does not say it, or gives a vector for each token.
 * @throws QuantscopeError UNSUPPORTED for a model that scores pairs of texts.
 */
export function poolingOf({ architecture, value }: GgufView, file: string): Pooling | undefined {
  const type = Number(value(`${architecture}.pooling_type`) ?? 0);
  if (type !== ranking) return poolings.get(type);
  const message = `The model scores pairs of texts and gives no embeddings ("${architecture}.pooling_type" is ${ranking}).`;
  throw new QuantscopeError('UNSUPPORTED', message, { file });
}
