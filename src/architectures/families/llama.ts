import type { ConfigReader } from '../configReader';
import type { ArchitectureDescription } from '../description';
import { decoderKeyValues, readDecoder, rmsEpsilon, type DecoderDefaults } from '../decoder';
import { attentionParts, gatedParts, normParts, outerParts, tiedOutput, usualIgnored } from '../decoderParts';
import { biasIf, blockRules, partRules } from '../partRules';
import { ropeTensors } from '../rope';
import { usualWindow, windowWithoutKey } from '../slidingWindow';
import { textPart } from '../textPart';

/** Of the class of Mistral, for what a `text_config` leaves out. */
export const mistralDefaults: DecoderDefaults = {
  ...{ blocks: 32, hiddenSize: 4096, feedForwardSize: 14336, heads: 32, kvHeads: 8 },
  contextLength: 131_072,
};

/** The same of the class of llama: those of LLaVA leave out nearly everything. */
const llamaDefaults: DecoderDefaults = {
  ...{ blocks: 32, hiddenSize: 4096, feedForwardSize: 11008, heads: 32 },
  contextLength: 2048,
};

/** Llama 1 to 3, Mistral 7B, SmolLM and others of the same layout. llama.cpp rotates neighbouring pairs. */
export const llama: ArchitectureDescription = {
  name: 'llama',
  family: 'Llama 1 to 3, Mistral 7B, SmolLM 1 and 2; SmolVLM, Idefics 3, LLaVA and Pixtral (text)',
  remark: 'rope scalings of Llama 3 and YaRN; llama.cpp has no window for Mistral',
  classes: {
    LlamaForCausalLM: 'llama',
    MistralForCausalLM: 'mistral',
    SmolVLMForConditionalGeneration: 'smolvlm',
    Idefics3ForConditionalGeneration: 'idefics3',
    LlavaForConditionalGeneration: 'llava',
  },
  forward: { rotation: 'pairs', activation: 'silu', normalizedExperts: true },
  convert(whole) {
    const { config, tied, prefixes, leftOut } = textPart(whole);
    if (config !== whole) config.expect('model_type', 'llama', 'llama', 'mistral');
    config.expect('hidden_act', 'silu', 'silu');
    const mistral = isMistral(whole, config);
    const inner = mistral ? mistralDefaults : llamaDefaults;
    const decoder = { ...readDecoder(config, config === whole ? {} : inner), tied };
    const attentionBias = biasIf(config, 'attention_bias');
    return {
      ...(config === whole ? { prefixes: ['model.'] } : { prefixes, leftOut }),
      ignored: usualIgnored,
      ...tiedOutput(decoder),
      ...(mistral ? windowWithoutKey(config, decoder, { window: usualWindow }) : {}),
      keyValues: [...decoderKeyValues(decoder), rmsEpsilon(config)],
      computed: ropeTensors(decoder.rope),
      tensors: [
        ...partRules(outerParts(decoder)),
        blockRules('layers', decoder.blocks, () => [
          ...normParts(decoder),
          ...attentionParts(decoder, { bias: attentionBias, outputBias: attentionBias, interleaved: true }),
          ...gatedParts(decoder, biasIf(config, 'mlp_bias')),
        ]),
      ],
    };
  },
};

/** Whether a model, or its language part, is Mistral, whose class has a window by default. */
const isMistral = (whole: ConfigReader, config: ConfigReader): boolean =>
  config === whole
    ? config.isOf('MistralForCausalLM', 'mistral')
    : config.text('model_type', 'llama') === 'mistral';
