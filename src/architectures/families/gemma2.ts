import type { ConfigReader } from '../configReader';
import { decoderKeyValues, readDecoder, rmsEpsilon } from '../decoder';
import { attentionParts, gatedParts, outerParts, tiedOutput, usualIgnored } from '../decoderParts';
import { blockRules, partRules } from '../partRules';
import type { ArchitectureDescription } from '../description';
import { expectAttentionScale, gemmaNormParts, shiftNorms } from './gemmaParts';
import { f32, u32 } from '../keyValues';
import { refuseFactors } from '../rope';
import { slidingLayers, slidingPeriod } from '../slidingWindow';
import { said } from '../../protocol/said';

/** Every second layer attends to everything, unless a key says otherwise. */
const usualPeriod = 2;

/** Blocks of the 27B model, whose scores have another scale. */
const largeBlocks = 46;

/** Gemma 2: norms on both sides, capped scores and logits, a sliding window in every other layer. */
export const gemma2: ArchitectureDescription = {
  name: 'gemma2',
  family: 'Gemma 2',
  classes: { Gemma2ForCausalLM: 'gemma2' },
  forward: {
    rotation: 'halves',
    activation: 'gelu',
    scaledEmbedding: true,
    largeBlocks,
    windowPeriod: usualPeriod,
  },
  convert(config) {
    config.known('hidden_act', 'sliding_window');
    config.expect('hidden_activation', 'gelu_pytorch_tanh', 'gelu_pytorch_tanh');
    config.expect('attention_bias', false, false);
    config.expectTied();
    config.expect('use_bidirectional_attention', false, false);
    const decoder = readDecoder(config, {
      blocks: 26,
      hiddenSize: 2304,
      feedForwardSize: 9216,
      heads: 8,
      kvHeads: 4,
      headSize: 256,
      contextLength: 8192,
      tied: true,
    });
    refuseFactors(config, decoder.rope);
    expectAttentionScale(config, decoder, largeBlocks);
    const layers = slidingLayers(config, decoder.blocks, (layer) => layer % 2 === 0);
    const period = slidingPeriod(config, layers, usualPeriod);
    return {
      prefixes: ['model.'],
      ignored: usualIgnored,
      ...tiedOutput(decoder),
      keyValues: [
        ...decoderKeyValues(decoder),
        rmsEpsilon(config),
        f32('attn_logit_softcapping', cap(config, 'attn_logit_softcapping', 50)),
        f32('final_logit_softcapping', cap(config, 'final_logit_softcapping', 30)),
        // llama.cpp always applies the window in some layers: where none should, it is as long as the context.
        u32(
          'attention.sliding_window',
          period === undefined ? decoder.contextLength : config.integer('sliding_window', 4096),
        ),
        ...(period === undefined || period === usualPeriod
          ? []
          : [u32('attention.sliding_window_pattern', period)]),
      ],
      tensors: [
        ...partRules(shiftNorms(outerParts(decoder))),
        blockRules('layers', decoder.blocks, () =>
          shiftNorms([...gemmaNormParts(decoder), ...attentionParts(decoder), ...gatedParts(decoder)]),
        ),
      ],
    };
  },
};

/** A cap that llama.cpp always applies: null, which means none, cannot be expressed. */
function cap(config: ConfigReader, key: string, fallback: number): number {
  if (!config.isNull(key)) return config.number(key, fallback);
  throw config.unsupported(said`"${key}" is null; llama.cpp always applies this cap for this architecture.`);
}
