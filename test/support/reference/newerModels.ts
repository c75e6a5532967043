import type { Checkpoint } from './checkpoint';
import {
  attention,
  decoder,
  gated,
  headSizeOf,
  linear,
  parallel,
  rms,
  sequential,
  upDown,
  usualAttention,
  type AttentionParts,
  type Block,
  type Layer,
  type Model,
} from './decoder';
import { biasedExperts, expertLayers, experts } from './experts';
import { backbone, mamba2Mixer } from './mamba2';
import { add, layerNorm, scale, type Vector } from './math';
import { rotationOf, turnedOf } from './rope';

/** Projections of queries and keys with a norm over all heads together. */
function jointlyNormed(checkpoint: Checkpoint, prefix: string): { readonly q: Layer; readonly k: Layer } {
  const normed = (side: string): Layer => {
    const [project, norm] = [
      linear(checkpoint, `${prefix}.${side}_proj`),
      rms(checkpoint, `${prefix}.${side}_norm`),
    ];
    return (x) => norm(project(x));
  };
  return { q: normed('q'), k: normed('k') };
}

function olmo3(checkpoint: Checkpoint): Model {
  const { config } = checkpoint;
  const size = headSizeOf(checkpoint);
  const parameters = config['rope_parameters'] as Readonly<Record<string, object>> | undefined;
  const scaled = rotationOf(
    parameters ? { ...config, rope_parameters: parameters['full_attention'] } : config,
    size,
  );
  const plain = rotationOf({ rope_theta: 10_000 }, size);
  return decoder(checkpoint, (index, prefix) => {
    const slides = index % 4 !== 3;
    const attended = attention(
      usualAttention(checkpoint, `${prefix}.self_attn`, {
        ...jointlyNormed(checkpoint, `${prefix}.self_attn`),
        rotation: slides ? plain : scaled,
        ...(slides ? { options: { window: checkpoint.number('sliding_window') } } : {}),
      }),
    );
    return sequential(attended, gated(checkpoint, `${prefix}.mlp`), {
      afterAttention: rms(checkpoint, `${prefix}.post_attention_layernorm`),
      afterMlp: rms(checkpoint, `${prefix}.post_feedforward_layernorm`),
    });
  });
}

/** Norms over all heads together, and experts. */
function mixture(checkpoint: Checkpoint, mlp: (prefix: string) => Layer, turned?: number): Model {
  return decoder(checkpoint, (_, prefix) =>
    sequential(
      attention(
        usualAttention(checkpoint, `${prefix}.self_attn`, {
          ...jointlyNormed(checkpoint, `${prefix}.self_attn`),
          ...(turned === undefined ? {} : { rotation: rotationOf(checkpoint.config, turned) }),
        }),
      ),
      mlp(prefix),
      {
        beforeAttention: rms(checkpoint, `${prefix}.input_layernorm`),
        beforeMlp: rms(checkpoint, `${prefix}.post_attention_layernorm`),
      },
    ),
  );
}

const olmoe = (checkpoint: Checkpoint): Model =>
  mixture(checkpoint, (prefix) => {
    const all = expertLayers(checkpoint, `${prefix}.mlp.experts`, checkpoint.number('num_experts'));
    const used = checkpoint.number('num_experts_per_tok');
    return experts(linear(checkpoint, `${prefix}.mlp.gate`), all, used, { normalize: false });
  });

/** The best groups are all there are. */
const oneGroup = { count: 1, used: 1 };

function miniMaxM2(checkpoint: Checkpoint): Model {
  const names = { gate: 'w1', up: 'w3', down: 'w2' };
  const experts = (prefix: string): Layer => {
    const moe = `${prefix}.block_sparse_moe`;
    const all = Array.from({ length: checkpoint.number('num_local_experts') }, (_, i) =>
      gated(checkpoint, `${moe}.experts.${i}`, 'silu', names),
    );
    const bias = checkpoint.vector(`${moe}.e_score_correction_bias`);
    const used = checkpoint.number('num_experts_per_tok');
    return biasedExperts(linear(checkpoint, `${moe}.gate`), all, used, { bias, groups: oneGroup, factor: 1 });
  };
  return mixture(checkpoint, experts, checkpoint.number('rotary_dim'));
}

const kinds: Readonly<Record<string, string>> = {
  ...{ M: 'mixer', '*': 'attention', '-': 'network' },
  ...{ linear_attention: 'mixer', full_attention: 'attention', moe: 'experts' },
};

function nemotronH(checkpoint: Checkpoint): Model {
  const { config } = checkpoint;
  const layers = [
    ...((config['hybrid_override_pattern'] ?? config['layers_block_type']) as string | string[]),
  ];
  const mixers: Readonly<Record<string, (prefix: string) => Block>> = {
    mixer: (prefix) =>
      mamba2Mixer(checkpoint, prefix, {
        inner: checkpoint.number('mamba_num_heads') * checkpoint.number('mamba_head_dim'),
        heads: checkpoint.number('mamba_num_heads'),
        groups: checkpoint.number('n_groups'),
        state: checkpoint.number('ssm_state_size'),
        kernel: checkpoint.number('conv_kernel'),
        epsilon: checkpoint.number('layer_norm_epsilon'),
      }),
    attention: (prefix) => attention(usualAttention(checkpoint, prefix, { rotation: undefined })),
    network: (prefix) => each(squared(checkpoint, prefix)),
    experts: (prefix) => each(nemotronExperts(checkpoint, prefix)),
  };
  return backbone(checkpoint, layers.length, (prefix, index) => mixers[kinds[layers[index]!]!]!(prefix));
}

const each =
  (layer: Layer): Block =>
  (inputs: readonly Vector[]) =>
    inputs.map(layer);

const squared = (checkpoint: Checkpoint, prefix: string): Layer =>
  upDown(checkpoint, `${prefix}.up_proj`, `${prefix}.down_proj`, 'relu2');

function nemotronExperts(checkpoint: Checkpoint, prefix: string): Layer {
  const all = Array.from({ length: checkpoint.number('n_routed_experts') }, (_, i) =>
    squared(checkpoint, `${prefix}.experts.${i}`),
  );
  const shared = squared(checkpoint, `${prefix}.shared_experts`);
  const routed = biasedExperts(
    linear(checkpoint, `${prefix}.gate`),
    all,
    checkpoint.number('num_experts_per_tok'),
    {
      bias: checkpoint.vector(`${prefix}.gate.e_score_correction_bias`),
      groups: oneGroup,
      factor: checkpoint.number('routed_scaling_factor'),
    },
  );
  return (x) => add(routed(x), shared(x));
}

/** Layer norm by name, of 1 + w where it is shifted. */
function layerNormed(checkpoint: Checkpoint, name: string, epsilon: number, offset = 0): Layer {
  const weight = checkpoint.vector(`${name}.weight`).map((value) => value + offset);
  return (x) => layerNorm(x, weight, checkpoint.optional(`${name}.bias`), epsilon);
}

function nemotron(checkpoint: Checkpoint): Model {
  const norm = (name: string): Layer => layerNormed(checkpoint, name, checkpoint.number('norm_eps'), 1);
  const turned = turnedOf(checkpoint.config, headSizeOf(checkpoint), 0.5);
  const model = decoder(checkpoint, (_, prefix) =>
    sequential(
      attention(
        usualAttention(checkpoint, `${prefix}.self_attn`, {
          rotation: rotationOf(checkpoint.config, turned),
        }),
      ),
      squared(checkpoint, `${prefix}.mlp`),
      {
        beforeAttention: norm(`${prefix}.input_layernorm`),
        beforeMlp: norm(`${prefix}.post_attention_layernorm`),
      },
    ),
  );
  return { ...model, norm: norm('model.norm') };
}

function cohere2(checkpoint: Checkpoint): Model {
  const norm = (name: string): Layer => layerNormed(checkpoint, name, checkpoint.number('layer_norm_eps'));
  const rotation = { ...rotationOf(checkpoint.config, headSizeOf(checkpoint)), layout: 'pairs' } as const;
  const model = decoder(checkpoint, (index, prefix) => {
    const slides = index % 4 !== 3;
    const change: Partial<AttentionParts> = slides
      ? { rotation, options: { window: checkpoint.number('sliding_window') } }
      : { rotation: undefined };
    const before = norm(`${prefix}.input_layernorm`);
    return parallel(
      attention(usualAttention(checkpoint, `${prefix}.self_attn`, change)),
      gated(checkpoint, `${prefix}.mlp`),
      before,
      before,
    );
  });
  const factor = checkpoint.number('logit_scale');
  return { ...model, norm: norm('model.norm'), output: (x) => scale(model.output(x), factor) };
}

/** By class. */
export const newerModels: Readonly<Record<string, (checkpoint: Checkpoint) => Model>> = {
  Olmo3ForCausalLM: olmo3,
  OlmoeForCausalLM: olmoe,
  MiniMaxM2ForCausalLM: miniMaxM2,
  NemotronForCausalLM: nemotron,
  NemotronHForCausalLM: nemotronH,
  Cohere2ForCausalLM: cohere2,
};
