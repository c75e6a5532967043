import { decoderKeyValues, readDecoder, rmsEpsilon, type Decoder } from '../decoder';
import { attentionParts, outerParts, tiedOutput, usualIgnored } from '../decoderParts';
import { blockRules, partRules } from '../partRules';
import type { ConfigReader } from '../configReader';
import type { ArchitectureDescription, Instead, TensorRule } from '../description';
import { u32 } from '../keyValues';
import { refuseFactors, withUsualRamp } from '../rope';
import { slidingLayers, slidingPeriod } from '../slidingWindow';
import { said } from '../../protocol/said';

/** llama.cpp gives a window to the first of every two layers. */
const period = 2;

/**
 * gpt-oss: every second layer has a sliding window, each head a sink for attention, and all matrices have biases. Checkpoints hold the
 * experts in MXFP4 with the rows of gate and up in turn, or as plain numbers and transposed.
 */
export const gptOss: ArchitectureDescription = {
  name: 'gpt-oss',
  family: 'gpt-oss',
  remark: 'experts keep their codes and scales with `--type MXFP4_MOE`',
  classes: { GptOssForCausalLM: 'gpt_oss' },
  forward: {
    rotation: 'halves',
    activation: 'clamped',
    windowPeriod: period,
    feedForwardNorm: 'post_attention_norm',
    ownParts: ['attn_sinks.weight'],
    normalizedExperts: true,
  },
  convert(config) {
    config.expect('hidden_act', 'silu', 'silu');
    config.expect('attention_bias', true, true);
    config.expect('swiglu_limit', 7, 7);
    config.known('initial_context_length');
    const decoder = readDecoder(config, {
      blocks: 36,
      hiddenSize: 2880,
      feedForwardSize: 2880,
      heads: 64,
      kvHeads: 8,
      headSize: 64,
      contextLength: 131_072,
      ropeTheta: 150_000,
    });
    const { rope, divisors } = withUsualRamp(decoder.rope, decoder.ropeDimensions);
    refuseFactors(config, rope);
    const experts = readExperts(config, decoder);
    const { hiddenSize, heads } = decoder;
    return {
      prefixes: ['model.'],
      ignored: usualIgnored,
      ...tiedOutput(decoder),
      ...(divisors ? { divisors, notes: [rampNote] } : {}),
      keyValues: [
        ...decoderKeyValues({ ...decoder, rope }),
        rmsEpsilon(config, 1e-5),
        u32('attention.sliding_window', readWindow(config, decoder)),
        u32('expert_count', experts.count),
        u32('expert_used_count', experts.used),
        u32('expert_feed_forward_length', experts.size),
      ],
      tensors: [
        ...partRules(outerParts(decoder)),
        blockRules('layers', decoder.blocks, () => [
          { from: 'input_layernorm', to: 'attn_norm', shape: [hiddenSize] },
          ...attentionParts(decoder, { bias: 'required', outputBias: 'required' }),
          { from: 'post_attention_layernorm', to: 'post_attention_norm', shape: [hiddenSize] },
          { from: 'mlp.router', to: 'ffn_gate_inp', shape: [experts.count, hiddenSize], bias: 'required' },
        ]),
        ...Array.from({ length: decoder.blocks }, (_, block): TensorRule[] => [
          {
            to: `blk.${block}.attn_sinks.weight`,
            from: [`layers.${block}.self_attn.sinks`],
            shape: [heads],
          },
          ...expertRules(block, experts, hiddenSize),
        ]).flat(),
      ],
    };
  },
};

const rampNote =
  'YaRN begins and ends between pairs of dimensions ("truncate" is false), in llama.cpp at whole pairs: its rotary frequencies differ slightly from those of transformers.';

interface Experts {
  readonly count: number;
  readonly used: number;
  /** Feed-forward size of one. */
  readonly size: number;
}

function readExperts(config: ConfigReader, { feedForwardSize }: Decoder): Experts {
  const count = config.count(config.spelled('num_local_experts', 'num_experts'), 128);
  const used = config.integer(config.spelled('num_experts_per_tok', 'experts_per_token'), 4);
  config.expect('experts_per_token', used, used);
  return { count, used, size: feedForwardSize };
}

/** @throws QuantscopeError UNSUPPORTED unless layers have a window and none in turn, the first has one. */
function readWindow(config: ConfigReader, { blocks }: Decoder): number {
  const layers = slidingLayers(config, blocks, (layer) => layer % period === 0);
  if (slidingPeriod(config, layers, period) !== period)
    throw config.unsupported(
      said`Layers with a sliding window and without one do not follow each other in turn, as llama.cpp assumes for this architecture.`,
    );
  return config.integer('sliding_window', 128);
}

/** Rows of gate and up alternate. */
function expertRules(block: number, { count, size }: Experts, hiddenSize: number): TensorRule[] {
  const prefix = `layers.${block}.mlp.experts`;
  const both = [`${prefix}.gate_up_proj`];
  const every = (first: number) => [{ first, count: count * size, step: 2 }];
  const plain = (from: readonly string[], rows: number, columns: number): Instead => ({
    ...{ from, plain: true, sourceShape: [count, rows, columns] },
    unit: { rows, order: 'transpose' },
  });
  const opening = (part: 'gate' | 'up', first: number): TensorRule[] => {
    const other = plain(both, hiddenSize, 2 * size);
    return [
      {
        to: `blk.${block}.ffn_${part}_exps.weight`,
        from: both,
        shape: [count, size, hiddenSize],
        sourceShape: [count, 2 * size, hiddenSize],
        rows: every(first),
        instead: {
          ...other,
          rows: [{ first: 0, count: count * hiddenSize }],
          unit: { rows: hiddenSize, order: 'transpose', columns: { first, count: size, step: 2 } },
        },
      },
      {
        to: `blk.${block}.ffn_${part}_exps.bias`,
        from: [`${prefix}.gate_up_proj_bias`],
        shape: [count, size],
        sourceShape: [count, 2 * size],
        rows: every(first),
        byEntry: true,
      },
    ];
  };
  const down = [`${prefix}.down_proj`];
  return [
    ...opening('gate', 0),
    ...opening('up', 1),
    {
      to: `blk.${block}.ffn_down_exps.weight`,
      from: down,
      shape: [count, hiddenSize, size],
      instead: plain(down, size, hiddenSize),
    },
    {
      to: `blk.${block}.ffn_down_exps.bias`,
      from: [`${prefix}.down_proj_bias`],
      shape: [count, hiddenSize],
    },
  ];
}
