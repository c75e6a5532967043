import type { Checkpoint, Config } from './checkpoint';
import {
  attention,
  embedding,
  gated,
  headSizeOf,
  linear,
  rms,
  sequential,
  usualAttention,
  type AttentionParts,
  type Block,
  type Layer,
  type Model,
} from './decoder';
import { experts } from './experts';
import {
  activations,
  add,
  largest,
  multiply,
  rmsNorm,
  rowsOf,
  scale,
  times,
  transposed,
  type Tensor,
} from './math';
import { rotationOf } from './rope';

/** Queries of Ministral 3 grow with the logarithm of how often the training's context length fits into their position. */
export function tempered({ config }: Checkpoint): Pick<AttentionParts, 'options'> {
  const parameters = (config['rope_parameters'] ?? {}) as Config;
  const beta = Number(parameters['llama_4_scaling_beta'] ?? 0);
  if (beta === 0) return {};
  const length = Number(parameters['original_max_position_embeddings']);
  return { options: { factorAt: (position) => 1 + beta * Math.log(1 + Math.floor(position / length)) } };
}

/** The matrix of one expert of a tensor [experts, in, out], as [out, in]. */
function matrixOf({ shape: [, inputs = 0, outputs = 0], data }: Tensor, expert: number): Tensor {
  const size = inputs * outputs;
  return transposed({ shape: [inputs, outputs], data: data.slice(expert * size, (expert + 1) * size) });
}

/** Experts as x times merged matrices, gate in the first half of the columns. */
function expertsOf(checkpoint: Checkpoint, prefix: string): Layer[] {
  const both = checkpoint.tensor(`${prefix}.experts.gate_up_proj`);
  const down = checkpoint.tensor(`${prefix}.experts.down_proj`);
  return Array.from({ length: both.shape[0]! }, (_, expert): Layer => {
    const opening = matrixOf(both, expert);
    const closing = matrixOf(down, expert);
    const size = opening.shape[0]! / 2;
    const [gate, up] = [rowsOf(opening, 0, size), rowsOf(opening, size, size)];
    return (x) => multiply(closing, times(multiply(gate, x).map(activations.silu), multiply(up, x)));
  });
}

/** Experts of Qwen3-VL. */
export function transposedExperts(checkpoint: Checkpoint, prefix: string): Layer {
  const used = checkpoint.number('num_experts_per_tok');
  const router = linear(checkpoint, `${prefix}.gate`);
  return experts(router, expertsOf(checkpoint, prefix), used, { normalize: true });
}

/** A block of Llama 4, within the first chunk of its attention. */
export function llama4Block(checkpoint: Checkpoint, index: number, prefix: string): Block {
  const rotates = Boolean((checkpoint.config['no_rope_layers'] as number[])[index]);
  const size = headSizeOf(checkpoint);
  const rotation = { ...rotationOf(checkpoint.config, size), layout: 'pairs' } as const;
  const norm: Layer = (x) => rmsNorm(x, new Float64Array(size).fill(1), checkpoint.number('rms_norm_eps'));
  const mlp = `${prefix}.feed_forward`;
  const mixture = (): Layer => {
    const router = linear(checkpoint, `${mlp}.router`);
    const all = expertsOf(checkpoint, mlp);
    const shared = gated(checkpoint, `${mlp}.shared_expert`);
    return (x) => {
      const logits = router(x);
      const best = largest(logits, checkpoint.number('num_experts_per_tok'));
      const share = (expert: number): number => 1 / (1 + Math.exp(-logits[expert]!));
      return best.reduce((sum, expert) => add(sum, all[expert]!(scale(x, share(expert)))), shared(x));
    };
  };
  return sequential(
    attention({
      ...usualAttention(checkpoint, `${prefix}.self_attn`),
      rotation: rotates ? rotation : undefined,
      ...(rotates ? { normQ: norm, normK: norm, normsRotated: true } : {}),
    }),
    checkpoint.has(`${mlp}.router.weight`) ? mixture() : gated(checkpoint, mlp),
    {
      beforeAttention: rms(checkpoint, `${prefix}.input_layernorm`),
      beforeMlp: rms(checkpoint, `${prefix}.post_attention_layernorm`),
    },
  );
}

/** Mistral's own files: numbers in params.json, neighbouring entries of a head rotated together. */
export function consolidatedModel(checkpoint: Checkpoint): Model {
  const { config } = checkpoint;
  const size = checkpoint.number('head_dim');
  const norm = (name: string): Layer => {
    const weight = checkpoint.vector(`${name}.weight`);
    return (x) => rmsNorm(x, weight, checkpoint.number('norm_eps'));
  };
  const yarn = config['yarn'] as Config | undefined;
  const tuning = config['llama_4_scaling'] as Readonly<Record<string, number>> | undefined;
  const rotation = {
    ...rotationOf(
      {
        rope_theta: config['rope_theta'],
        ...(yarn && {
          rope_scaling: {
            ...{
              ...yarn,
              type: 'yarn',
              beta_fast: yarn['beta'],
              beta_slow: yarn['alpha'],
              attention_factor: 1,
            },
          },
        }),
      },
      size,
    ),
    layout: 'pairs',
  } as const;
  const factorAt = (position: number): number =>
    tuning
      ? 1 + tuning['beta']! * Math.log(1 + Math.floor(position / tuning['original_max_position_embeddings']!))
      : 1;
  const table = checkpoint.tensor('tok_embeddings.weight');
  return {
    embed: embedding(checkpoint, 'tok_embeddings.weight'),
    blocks: Array.from({ length: checkpoint.number('n_layers') }, (_, i) => {
      const part = (name: string): Layer => linear(checkpoint, `layers.${i}.attention.w${name}`);
      return sequential(
        attention({
          ...{ q: part('q'), k: part('k'), v: part('v'), o: part('o'), headSize: size, rotation },
          options: { factorAt },
        }),
        gated(checkpoint, `layers.${i}.feed_forward`, 'silu', { gate: 'w1', up: 'w3', down: 'w2' }),
        {
          beforeAttention: norm(`layers.${i}.attention_norm`),
          beforeMlp: norm(`layers.${i}.ffn_norm`),
        },
      );
    }),
    norm: norm('norm'),
    output: checkpoint.has('output.weight') ? linear(checkpoint, 'output') : (x) => multiply(table, x),
  };
}
