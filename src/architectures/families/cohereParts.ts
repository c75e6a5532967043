import type { ConfigReader } from '../configReader';
import { expectSquareAttention, readDecoder, type Decoder } from '../decoder';
import { partRules } from '../partRules';
import type { TensorRule } from '../description';
import { said } from '../../protocol/said';

/**
 * The numbers of Cohere's decoders, whose two classes have the same defaults.
 * @throws QuantscopeError UNSUPPORTED for what llama.cpp has no keys for in either architecture, MODEL_FILE for impossible numbers.
 */
export function readCohere(config: ConfigReader): Decoder {
  config.expect('hidden_act', 'silu', 'silu');
  config.expect('attention_bias', false, false);
  config.expectTied();
  const decoder = readDecoder(config, {
    blocks: 40,
    hiddenSize: 8192,
    feedForwardSize: 22528,
    heads: 64,
    contextLength: 8192,
    tied: true,
  });
  expectSquareAttention(config, decoder);
  if (decoder.rope.scaling.kind === 'none') return decoder;
  throw config.unsupported(said`Rope scaling cannot be exported for this architecture.`);
}

/** Embedding, which is the output as well, and last norm. */
export const cohereOuterRules = ({ hiddenSize }: Decoder): TensorRule[] =>
  partRules([
    { from: 'embed_tokens', to: 'token_embd', shape: ['any', hiddenSize] },
    { from: 'norm', to: 'output_norm', shape: [hiddenSize] },
  ]);
