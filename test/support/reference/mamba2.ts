import { headsOf } from './attention';
import type { Checkpoint } from './checkpoint';
import { convolved } from './deltaNet';
import { embedding, linear, type Block, type Model } from './decoder';
import { activations, add, multiply, rmsNorm, times, type Vector } from './math';

/** Sizes of a mixer. */
export interface MixerSizes {
  readonly inner: number;
  readonly heads: number;
  readonly groups: number;
  readonly state: number;
  readonly kernel: number;
  readonly epsilon: number;
  /** What the rows of its input matrix are multiplied by. */
  readonly factors?: Vector;
}

/**
 * Mamba 2 (Dao and Gu 2024) as a recurrence: h ← e^(Δ A) h + Δ x ⊗ B, y = h C + D x, then the norm of y · silu(z) in each group.
 */
export function mamba2Mixer(checkpoint: Checkpoint, prefix: string, sizes: MixerSizes): Block {
  const { inner, heads, groups, state, kernel, epsilon, factors } = sizes;
  const size = inner / heads;
  const input = linear(checkpoint, `${prefix}.in_proj`);
  const output = linear(checkpoint, `${prefix}.out_proj`);
  const vector = (name: string): Vector => checkpoint.vector(`${prefix}.${name}`);
  const channels = inner + 2 * groups * state;
  return (inputs) => {
    const projected = inputs.map((x) => (factors ? times(input(x), factors) : input(x)));
    const mixed = convolved(
      projected.map((x) => x.slice(inner, inner + channels)),
      vector('conv1d.weight'),
      vector('conv1d.bias'),
      kernel,
    );
    const states = Array.from({ length: heads }, () => new Float64Array(size * state));
    return projected.map((all, position) => {
      const step = all.slice(inner + channels);
      const x = headsOf(mixed[position]!.slice(0, inner), size);
      const [b, c] = [0, 1].map((part) => {
        const first = inner + part * groups * state;
        return headsOf(mixed[position]!.slice(first, first + groups * state), state);
      }) as [readonly Vector[], readonly Vector[]];
      const outputs = x.flatMap((values, head) => {
        const group = Math.floor((head * groups) / heads);
        const delta = Math.log1p(Math.exp(step[head]! + vector('dt_bias')[head]!));
        const kept = Math.exp(-delta * Math.exp(vector('A_log')[head]!));
        const h = states[head]!;
        return [...values].map((value, i) => {
          let sum = vector('D')[head]! * value;
          for (let j = 0; j < state; j++) {
            h[i * state + j] = kept * h[i * state + j]! + delta * value * b[group]![j]!;
            sum += h[i * state + j]! * c[group]![j]!;
          }
          return sum;
        });
      });
      const gated = times(Float64Array.from(outputs), all.slice(0, inner).map(activations.silu));
      if (!checkpoint.has(`${prefix}.norm.weight`)) return output(gated);
      const width = inner / groups;
      const normed = headsOf(gated, width).flatMap((part, group) => [
        ...rmsNorm(part, vector('norm.weight').slice(group * width, (group + 1) * width), epsilon),
      ]);
      return output(Float64Array.from(normed));
    });
  };
}

/** Layers of one mixer each, under the names of state space models. */
export function backbone(
  checkpoint: Checkpoint,
  layers: number,
  mixer: (prefix: string, index: number) => Block,
): Model {
  const table = 'backbone.embeddings.weight';
  const epsilon = checkpoint.number('layer_norm_epsilon', 1e-5);
  const norm = (name: string) => (x: Vector) => rmsNorm(x, checkpoint.vector(`${name}.weight`), epsilon);
  return {
    embed: embedding(checkpoint, table),
    blocks: Array.from({ length: layers }, (_, index): Block => {
      const prefix = `backbone.layers.${index}`;
      const mix = mixer(`${prefix}.mixer`, index);
      const before = norm(`${prefix}.norm`);
      return (inputs) => mix(inputs.map(before)).map((y, i) => add(inputs[i]!, y));
    }),
    norm: norm('backbone.norm_f'),
    output: checkpoint.has('lm_head.weight')
      ? linear(checkpoint, 'lm_head')
      : (x) => multiply(checkpoint.tensor(table), x),
  };
}

export const mamba2Model = (checkpoint: Checkpoint): Model =>
  backbone(checkpoint, checkpoint.number('num_hidden_layers'), (prefix) =>
    mamba2Mixer(checkpoint, prefix, {
      inner: checkpoint.number('expand', 2) * checkpoint.number('hidden_size'),
      heads: checkpoint.number('num_heads'),
      groups: checkpoint.number('n_groups'),
      state: checkpoint.number('state_size'),
      kernel: checkpoint.number('conv_kernel'),
      epsilon: checkpoint.number('layer_norm_epsilon', 1e-5),
    }),
  );

/** The mixer of Granite 4. */
export const graniteMixer = (checkpoint: Checkpoint, prefix: string): Block =>
  mamba2Mixer(checkpoint, `${prefix}.mamba`, {
    inner: checkpoint.number('mamba_expand', 2) * checkpoint.number('hidden_size'),
    heads: checkpoint.number('mamba_n_heads'),
    groups: checkpoint.number('mamba_n_groups', 1),
    state: checkpoint.number('mamba_d_state'),
    kernel: checkpoint.number('mamba_d_conv', 4),
    epsilon: checkpoint.number('rms_norm_eps', 1e-6),
  });
