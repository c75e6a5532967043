import { QuantscopeError } from '../model/errors';
import type { KeyValue } from '../model/keyValue';
import type { ConfigReader } from './configReader';
import type { Conversion } from './description';
import { bool } from './keyValues';
import { architectures } from './registry';
import { said } from '../protocol/said';

/** Key of GGUF, without the architecture, that says whether tokens see only those before them. */
const causalKey = 'attention.causal';

/**
 * Any decoder of transformers sees later tokens, too, where config.json says `is_causal: false` (create_causal_mask), and so does
 * llama.cpp by its key.
 * @throws QuantscopeError UNSUPPORTED with a sliding window, which llama.cpp then leaves open towards later tokens.
 */
export function withDirection(conversion: Conversion, config: ConfigReader): Conversion {
  const { keyValues, window } = conversion;
  if (config.flag('is_causal', true) || keyValues.some(isCausalKey)) return conversion;
  if (window || keyValues.some(({ key }) => key === 'attention.sliding_window'))
    throw config.unsupported(
      said`"is_causal" is false and layers have a sliding window: llama.cpp would apply the window only to earlier tokens, transformers also to later ones.`,
    );
  return { ...conversion, keyValues: [...keyValues, bool(causalKey, false)] };
}

const isCausalKey = ({ key }: KeyValue): boolean => key === causalKey;

interface Header {
  readonly architecture: string;
  readonly value: (key: string) => unknown;
}

const embeddingOnly = ({ architecture }: Header) =>
  architectures.find(({ name, embeds }) => embeds === true && name === architecture);

/** Whether tokens of a model also see later ones. */
export const isBidirectional = (header: Header): boolean =>
  embeddingOnly(header) !== undefined || header.value(`${header.architecture}.${causalKey}`) === false;

/**
 * Models that embed texts have no next token to predict.
 * @throws QuantscopeError UNSUPPORTED for a model whose tokens see later ones.
 */
export function refuseBidirectional(header: Header, file: string): void {
  if (!isBidirectional(header)) return;
  const runs = architectures.some(
    ({ name, encodes, forward }) => name === header.architecture && (encodes ?? forward) !== undefined,
  );
  const instead = runs
    ? ' Its embeddings are evaluated with pairs of texts, on the Evaluate tab or by quantscope eval --pairs.'
    : '';
  const message = said`Attention in this model is bidirectional: each token also sees later ones. It embeds texts and does not predict tokens, so perplexity and KL divergence are not defined for it, and it cannot be run over a text here.${instead}`;
  throw new QuantscopeError('UNSUPPORTED', message, { file });
}
