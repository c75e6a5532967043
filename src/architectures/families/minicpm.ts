import type { ConfigReader } from '../configReader';
import { decoderKeyValues, readDecoder, rmsEpsilon, type Decoder } from '../decoder';
import { attentionParts, gatedParts, normParts, outerParts, tiedOutput, usualIgnored } from '../decoderParts';
import { blockRules, partRules } from '../partRules';
import type { ArchitectureDescription } from '../description';
import { f32, text } from '../keyValues';
import { readLongRope } from '../longRope';
import { readTheta } from '../rope';
import { said } from '../../protocol/said';

/** MiniCPM 1, 2 and 4: llama with factors of embeddings, of what each part of a block adds, and of the states before the output. */
export const minicpm: ArchitectureDescription = {
  name: 'minicpm',
  family: 'MiniCPM 1, 2, 4',
  classes: { MiniCPMForCausalLM: 'minicpm' },
  forward: { rotation: 'pairs', activation: 'silu', scales: true },
  convert(config) {
    config.known('mup_denominator');
    config.expect('hidden_act', 'silu', 'silu');
    config.expect('attention_bias', false, false);
    config.expect('num_experts', 0, 0);
    noteSparse(config);
    const decoder = readDecoder(config, {
      blocks: 32,
      hiddenSize: 4096,
      feedForwardSize: 11008,
      heads: 32,
      contextLength: 2048,
      rope: { theta: readTheta(config), scaling: { kind: 'none' } },
      tied: true,
    });
    const stretch = readLongRope(config, decoder);
    return {
      prefixes: ['model.'],
      ignored: usualIgnored,
      ...tiedOutput(decoder),
      keyValues: [
        ...decoderKeyValues(decoder),
        rmsEpsilon(config),
        ...factors(config, decoder),
        ...stretch.keyValues,
        // Without it, llama.cpp reads no lists of divisors for this architecture.
        ...(stretch.computed.length > 0 ? [text('rope.scaling.type', 'longrope')] : []),
      ],
      computed: stretch.computed,
      tensors: [
        ...partRules(outerParts(decoder)),
        blockRules('layers', decoder.blocks, () => [
          ...normParts(decoder),
          ...attentionParts(decoder, { interleaved: true }),
          ...gatedParts(decoder),
        ]),
      ],
    };
  },
};

/** Of the maximal update parametrization (Hu et al. 2024, MiniCPM): what is added shrinks with depth, the output with width. */
const factors = (config: ConfigReader, { blocks, hiddenSize }: Decoder) => [
  f32('embedding_scale', config.number('scale_emb', 1)),
  f32('residual_scale', config.number('scale_depth', 1) / Math.sqrt(blocks)),
  f32('logit_scale', hiddenSize / config.number('dim_model_base', 1)),
];

/** MiniCPM 4 can leave out parts of long texts (InfLLM v2), where config.json turns it on. */
function noteSparse(config: ConfigReader): void {
  if (!config.has('sparse_config')) return;
  config.known('sparse_config');
  config.notes.push(
    said`config.json turns on sparse attention for long texts ("sparse_config"), which llama.cpp does not have: it attends to everything.`,
  );
}
