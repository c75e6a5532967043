import type { Checkpoint } from './checkpoint';
import {
  attention,
  gated,
  headSizeOf,
  linear,
  rms,
  sequential,
  usualAttention,
  type Block,
  type Layer,
} from './decoder';
import { biasedExperts, expertLayers } from './experts';
import { activations, add, multiply, rowsOf, times } from './math';
import { rotationOf, turnedOf, type Rotation } from './rope';

/** Half of each head turns: neighbouring pairs in the dense models, entries half of that apart in those with experts. */
const rotation = (checkpoint: Checkpoint, layout: Rotation['layout']): Rotation => ({
  ...rotationOf(checkpoint.config, turnedOf(checkpoint.config, headSizeOf(checkpoint), 0.5)),
  layout,
});

function fused(checkpoint: Checkpoint, prefix: string): Layer {
  const both = checkpoint.tensor(`${prefix}.gate_up_proj.weight`);
  const size = both.shape[0]! / 2;
  const [gate, up] = [rowsOf(both, 0, size), rowsOf(both, size, size)];
  const down = linear(checkpoint, `${prefix}.down_proj`);
  return (x) => down(times(multiply(gate, x).map(activations.silu), multiply(up, x)));
}

/** A block of GLM-4; with norms after attention and feed-forward where the checkpoint has them. */
export function glmBlock(checkpoint: Checkpoint, prefix: string): Block {
  const after = (name: string): Layer | undefined =>
    checkpoint.has(`${prefix}.${name}.weight`) ? rms(checkpoint, `${prefix}.${name}`) : undefined;
  const [afterAttention, afterMlp] = [after('post_self_attn_layernorm'), after('post_mlp_layernorm')];
  return sequential(
    attention(usualAttention(checkpoint, `${prefix}.self_attn`, { rotation: rotation(checkpoint, 'pairs') })),
    fused(checkpoint, `${prefix}.mlp`),
    {
      beforeAttention: rms(checkpoint, `${prefix}.input_layernorm`),
      beforeMlp: rms(checkpoint, `${prefix}.post_attention_layernorm`),
      ...(afterAttention ? { afterAttention } : {}),
      ...(afterMlp ? { afterMlp } : {}),
    },
  );
}

/** A block of GLM-4.5. */
export function glmMixtureBlock(checkpoint: Checkpoint, index: number, prefix: string): Block {
  const mlp = `${prefix}.mlp`;
  const norm = (name: string): Layer => rms(checkpoint, `${prefix}.self_attn.${name}_norm`);
  const normed = checkpoint.config['use_qk_norm'] === true;
  const routed = (): Layer => {
    const all = expertLayers(checkpoint, `${mlp}.experts`, checkpoint.number('n_routed_experts'));
    const chosen = biasedExperts(
      linear(checkpoint, `${mlp}.gate`),
      all,
      checkpoint.number('num_experts_per_tok'),
      {
        bias: checkpoint.vector(`${mlp}.gate.e_score_correction_bias`),
        groups: { count: 1, used: 1 },
        factor: checkpoint.number('routed_scaling_factor'),
      },
    );
    const shared = gated(checkpoint, `${mlp}.shared_experts`);
    return (x) => add(chosen(x), shared(x));
  };
  return sequential(
    attention(
      usualAttention(checkpoint, `${prefix}.self_attn`, {
        rotation: rotation(checkpoint, 'half'),
        ...(normed ? { normQ: norm('q'), normK: norm('k') } : {}),
      }),
    ),
    index < checkpoint.number('first_k_dense_replace') ? gated(checkpoint, mlp) : routed(),
    {
      beforeAttention: rms(checkpoint, `${prefix}.input_layernorm`),
      beforeMlp: rms(checkpoint, `${prefix}.post_attention_layernorm`),
    },
  );
}
