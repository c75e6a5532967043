import type { ConfigReader } from '../configReader';
import { decoderKeyValues, readDecoder, rmsEpsilon, type Decoder } from '../decoder';
import {
  attentionParts,
  gatedParts,
  normParts,
  outerParts,
  tiedOutput,
  usualIgnored,
  feedForwardParts,
} from '../decoderParts';
import { blockRules, partRules, type Part } from '../partRules';
import type { ArchitectureDescription } from '../description';
import { expertParts } from '../experts';
import { u32 } from '../keyValues';
import { ropeTensors } from '../rope';
import { textPart } from '../textPart';
import { said } from '../../protocol/said';

/** What llama.cpp has built in: a chunk's tokens see each other only, but in every fourth layer, which does not rotate. */
const chunk = 8192;
const period = 4;
/** The number of experts of the model whose heads are not normed. */
const unnormedExperts = 128;

/** Llama 4, the language part: chunks of attention, layers without positions, experts that get inputs in proportion to their share. */
export const llama4: ArchitectureDescription = {
  name: 'llama4',
  family: 'Llama 4 (text)',
  remark: 'it is run over texts of up to 8,191 tokens, one chunk of its attention',
  classes: { Llama4ForConditionalGeneration: 'llama4', Llama4ForCausalLM: 'llama4_text' },
  forward: {
    rotation: 'pairs',
    activation: 'silu',
    rotationPeriod: period,
    gating: 'sigmoid',
    scaledInputs: true,
    rotatedNorms: { unlessExperts: unnormedExperts },
    // From the last position of the first chunk on, queries are scaled, too.
    longestText: chunk - 1,
  },
  convert(whole) {
    const { config, tied, prefixes, leftOut } = textPart(whole);
    config.expect('hidden_act', 'silu', 'silu');
    config.expect('attention_bias', false, false);
    const decoder = {
      ...readDecoder(config, {
        blocks: 48,
        hiddenSize: 5120,
        heads: 40,
        kvHeads: 8,
        headSize: 128,
        feedForwardSize: 8192,
        contextLength: 131_072,
        ropeTheta: 500_000,
      }),
      tied,
      feedForwardSize: config.integer('intermediate_size_mlp', 16_384),
    };
    const experts = readExperts(config);
    expectBuiltIn(config, decoder, experts.count);
    return {
      ...{ prefixes, leftOut, ignored: usualIgnored },
      ...tiedOutput(decoder),
      keyValues: [
        ...decoderKeyValues(decoder),
        rmsEpsilon(config, 1e-5),
        u32('interleave_moe_layer_step', experts.step),
        u32('expert_count', experts.count),
        u32('expert_used_count', experts.used),
        u32('expert_feed_forward_length', experts.size),
      ],
      computed: ropeTensors(decoder.rope),
      tensors: [
        ...partRules(outerParts(decoder)),
        blockRules('layers', decoder.blocks, (block) => [
          ...normParts(decoder),
          // Its checkpoints have neighbouring pairs side by side, as llama.cpp does.
          ...attentionParts(decoder),
          ...((block + 1) % experts.step === 0
            ? mixtureParts(decoder, experts)
            : gatedParts(decoder).map((part) => ({ ...part, from: inFeedForward(part.from) }))),
        ]),
      ],
    };
  },
};

const inFeedForward = (from: Part['from']): string => String(from).replace(/^mlp\./, 'feed_forward.');

interface Experts {
  readonly count: number;
  readonly used: number;
  readonly size: number;
  /** Every so manyth block has them. */
  readonly step: number;
}

/** @throws QuantscopeError UNSUPPORTED for experts in other blocks than every so manyth. */
function readExperts(config: ConfigReader): Experts {
  const step = config.integer('interleave_moe_layer_step', 1);
  const blocks = config.numbers('moe_layers');
  if (blocks && !blocks.every((block, i) => block === (i + 1) * step - 1))
    throw config.unsupported(
      said`"moe_layers" names other blocks than every ${step}th ("interleave_moe_layer_step"), which GGUF cannot express.`,
    );
  return {
    count: config.count('num_local_experts', 16),
    used: config.integer('num_experts_per_tok', 1),
    size: config.integer('intermediate_size', 8192),
    step,
  };
}

/** @throws QuantscopeError UNSUPPORTED for what llama.cpp has built in otherwise. */
function expectBuiltIn(config: ConfigReader, { blocks }: Decoder, experts: number): void {
  config.known('layer_types', 'no_rope_layer_interval', 'for_llm_compressor', 'router_jitter_noise');
  config.expect('attention_chunk_size', chunk, chunk);
  config.expect('attn_temperature_tuning', true, true, 4);
  config.expect('floor_scale', chunk, chunk);
  config.expect('attn_scale', 0.1, 0.1);
  config.expect('use_qk_norm', true, experts !== unnormedExperts);
  const stated = config.list('no_rope_layers') ?? [];
  for (let block = 0; block < (stated.length > 0 ? blocks : 0); block++) {
    const rotates = (block + 1) % period !== 0;
    if (Boolean(stated[block]) === rotates) continue;
    throw config.unsupported(
      rotates
        ? said`According to "no_rope_layers", layer ${block} lacks rotary embedding; llama.cpp omits it in every ${period}th layer and no other.`
        : said`According to "no_rope_layers", layer ${block} has rotary embedding; llama.cpp omits it in every ${period}th layer and no other.`,
    );
  }
}

function mixtureParts({ hiddenSize }: Decoder, { count, size }: Experts): Part[] {
  const names = (expert: number) => {
    const prefix = `feed_forward.experts.${expert}`;
    return { gate: `${prefix}.gate_proj`, up: `${prefix}.up_proj`, down: `${prefix}.down_proj` };
  };
  return [
    { from: 'feed_forward.router', to: 'ffn_gate_inp', shape: [count, hiddenSize] },
    ...expertParts({ count, size, hiddenSize }, names, { prefix: 'feed_forward.experts', transposed: true }),
    ...feedForwardParts(hiddenSize, size, 'feed_forward.shared_expert', '_shexp'),
  ];
}
