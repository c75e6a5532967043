import type { KeyValue } from '../../model/keyValue';
import type { ConfigReader } from '../configReader';
import { decoderKeyValues, readDecoder, rmsEpsilon, type Decoder, type DecoderDefaults } from '../decoder';
import { attentionParts, gatedParts, normParts, outerParts, tiedOutput, usualIgnored } from '../decoderParts';
import { blockRules, partRules } from '../partRules';
import type { ArchitectureDescription } from '../description';
import { f32, u32 } from '../keyValues';
import { mistralDefaults } from './llama';
import { ropeParameters, ropeTensors, type Rope } from '../rope';
import { usualWindow, windowWithoutKey } from '../slidingWindow';
import { textPart } from '../textPart';
import { said } from '../../protocol/said';

interface Defaults extends DecoderDefaults {
  readonly epsilon: number;
  /** 0 for none. */
  readonly window: number;
}

/** Of the class of Ministral 3. */
const thirdDefaults: Defaults = {
  ...{ blocks: 34, hiddenSize: 4096, feedForwardSize: 14336, heads: 32, kvHeads: 8, headSize: 128 },
  ...{ contextLength: 262_144, ropeTheta: 1_000_000, epsilon: 1e-5, window: 0 },
};

/** Of the class of Mistral, which the models before have. */
const firstDefaults: Defaults = { ...mistralDefaults, epsilon: 1e-6, window: usualWindow };

/**
 * Mistral Small 3.1 and later, Ministral 3, Devstral 2, Magistral: llama, whose queries may grow with the logarithm of the position beyond the
 * context length of the training, as in Llama 4.
 */
export const mistral3: ArchitectureDescription = {
  name: 'mistral3',
  family: 'Mistral Small 3.1 and later, Ministral 3, Devstral 2, Magistral (text)',
  classes: { Mistral3ForConditionalGeneration: 'mistral3', Ministral3ForCausalLM: 'ministral3' },
  forward: { rotation: 'pairs', activation: 'silu' },
  convert(whole) {
    const { config, tied, prefixes, leftOut } = textPart(whole);
    config.expect('hidden_act', 'silu', 'silu');
    const usual = config === whole ? 'ministral3' : 'mistral';
    config.expect('model_type', usual, 'ministral3', 'mistral');
    const isFirst = config.text('model_type', usual) === 'mistral';
    // The class has YaRN and scaled queries of its own where there are none.
    if (!isFirst && !ropeParameters(config)) throw config.wrong('rope_parameters', 'an object is needed');
    const { epsilon, window, ...defaults } = isFirst ? firstDefaults : thirdDefaults;
    const decoder = { ...readDecoder(config, defaults), tied };
    return {
      ...{ prefixes, leftOut, ignored: usualIgnored },
      ...tiedOutput(decoder),
      ...windowWithoutKey(config, decoder, { window }),
      keyValues: [
        ...decoderKeyValues(decoder),
        rmsEpsilon(config, epsilon),
        ...textTemperature(config, decoder),
      ],
      computed: ropeTensors(decoder.rope),
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

function textTemperature(config: ConfigReader, { contextLength, rope }: Decoder): KeyValue[] {
  const parameters = ropeParameters(config);
  parameters?.known('max_position_embeddings');
  const scale = parameters?.numberUnlessZero('llama_4_scaling_beta');
  if (parameters === undefined || scale === undefined) return [];
  const length = parameters.integer('original_max_position_embeddings', contextLength);
  return temperatureKeyValues(parameters, { scale, length }, rope);
}

/**
 * Queries that are scaled by position. llama.cpp takes the length from the one before the stretch of the rotary frequencies.
 * @throws QuantscopeError UNSUPPORTED where the two differ.
 */
export function temperatureKeyValues(
  config: ConfigReader,
  { scale, length }: { readonly scale: number; readonly length: number },
  { scaling }: Rope,
): KeyValue[] {
  const stretched = scaling.kind === 'yarn' ? scaling.context : undefined;
  if (stretched !== undefined && stretched !== length)
    throw config.unsupported(
      said`Queries are scaled by position from ${length} tokens on, but rotary frequencies are stretched from ${stretched} on; llama.cpp has one number for both.`,
    );
  return [
    f32('attention.temperature_scale', scale),
    ...(stretched === undefined ? [u32('rope.scaling.original_context_length', length)] : []),
  ];
}
