import { QuantscopeError } from '../model/errors';
import { isBidirectional } from './direction';
import type { GgufView } from './ggufView';
import { architectures, encoderOf } from './registry';
import { said } from '../protocol/said';

/** How the states of a text become one vector. */
export type Pooling = 'mean' | 'first' | 'last';

/** Values of `pooling_type` (llama.h). */
const poolings: ReadonlyMap<number, Pooling> = new Map([
  [1, 'mean'],
  [2, 'first'],
  [3, 'last'],
]);

/** Neither a vector of each token nor one of the text: the score of a pair. */
const ranking = 4;

type Header = Pick<GgufView, 'architecture' | 'value'>;

const typeOf = ({ architecture, value }: Header): number =>
  Number(value(`${architecture}.pooling_type`) ?? 0);

/**
 * How a model says that the states of a text become one vector; undefined where it does not say it, or gives a vector for each token.
 * @throws QuantscopeError UNSUPPORTED for a model that scores pairs of texts.
 */
export function poolingOf(header: Header, file: string): Pooling | undefined {
  const type = typeOf(header);
  if (type !== ranking) return poolings.get(type);
  const message = said`The model scores pairs of texts and gives no embeddings ("${header.architecture}.pooling_type" is ${ranking}).`;
  throw new QuantscopeError('UNSUPPORTED', message, { file });
}

/** Whether texts can be embedded with a model here, as far as its header tells. */
export function embedsTexts(header: Header): boolean {
  if (typeOf(header) === ranking) return false;
  if (encoderOf(header.architecture)) return true;
  const runs = architectures.some(({ name, forward }) => forward && name === header.architecture);
  return runs && (poolings.has(typeOf(header)) || isBidirectional(header));
}
