import type { Checkpoint } from './checkpoint';
import {
  attention,
  blocksOf,
  embedding,
  linear,
  rms,
  usualAttention,
  type Block,
  type Layer,
  type Model,
} from './decoder';
import { mamba2Mixer } from './mamba2';
import { activations, add, multiply, scale, times } from './math';

/** A number of config.json as a multiplier of what a layer gives. */
const factor =
  (checkpoint: Checkpoint, name: string): Layer =>
  (x) =>
    scale(x, checkpoint.number(`${name}_multiplier`, 1));

function attended(checkpoint: Checkpoint, prefix: string): Block {
  const key = linear(checkpoint, `${prefix}.k_proj`);
  const before = factor(checkpoint, 'attention_in');
  const after = factor(checkpoint, 'attention_out');
  const attend = attention(
    usualAttention(checkpoint, prefix, { k: (x) => factor(checkpoint, 'key')(key(x)) }),
  );
  return (inputs) => attend(inputs.map(before)).map(after);
}

/** Gate, inputs of the convolution (x, B, C) and steps have a factor each. */
function mixed(checkpoint: Checkpoint, prefix: string): Block {
  const [inner, heads] = [checkpoint.number('mamba_d_ssm'), checkpoint.number('mamba_n_heads')];
  const [groups, state] = [checkpoint.number('mamba_n_groups'), checkpoint.number('mamba_d_state')];
  const factors = checkpoint.config['ssm_multipliers'] as readonly number[];
  const sizes = [inner, inner, groups * state, groups * state, heads];
  const mixer = mamba2Mixer(checkpoint, prefix, {
    ...{ inner, heads, groups, state, kernel: checkpoint.number('mamba_d_conv') },
    epsilon: checkpoint.number('rms_norm_eps'),
    factors: Float64Array.from(sizes.flatMap((size, i) => Array.from({ length: size }, () => factors[i]!))),
  });
  const [before, after] = [factor(checkpoint, 'ssm_in'), factor(checkpoint, 'ssm_out')];
  return (inputs) => mixer(inputs.map(before)).map(after);
}

function network(checkpoint: Checkpoint, prefix: string): Layer {
  const [gate, up, down] = ['gate', 'up', 'down'].map((name) =>
    linear(checkpoint, `${prefix}.${name}_proj`),
  ) as [Layer, Layer, Layer];
  const [ofGate, ofDown] = checkpoint.config['mlp_multipliers'] as readonly [number, number];
  return (x) => scale(down(times(up(x), scale(gate(x), ofGate).map(activations.silu))), ofDown);
}

/** Attention and a state space mixer side by side, then a network (Falcon-H1). */
export function falconH1(checkpoint: Checkpoint): Model {
  const table = 'model.embed_tokens.weight';
  const embed = embedding(checkpoint, table);
  const head = checkpoint.has('lm_head.weight')
    ? linear(checkpoint, 'lm_head')
    : (x: Float64Array) => multiply(checkpoint.tensor(table), x);
  return {
    embed: (token) => factor(checkpoint, 'embedding')(embed(token)),
    blocks: blocksOf(checkpoint, 'model.layers', (prefix) => {
      const [before, beforeNetwork] = [
        rms(checkpoint, `${prefix}.input_layernorm`),
        rms(checkpoint, `${prefix}.pre_ff_layernorm`),
      ];
      const attend = attended(checkpoint, `${prefix}.self_attn`);
      const mix = mixed(checkpoint, `${prefix}.mamba`);
      const mlp = network(checkpoint, `${prefix}.feed_forward`);
      return (inputs) => {
        const normed = inputs.map(before);
        const [ofMixer, ofAttention] = [mix(normed), attend(normed)];
        return inputs.map((x, i) => {
          const middle = add(x, add(ofMixer[i]!, ofAttention[i]!));
          return add(middle, mlp(beforeNetwork(middle)));
        });
      };
    }),
    norm: rms(checkpoint, 'model.final_layernorm'),
    output: (x) => factor(checkpoint, 'lm_head')(head(x)),
  };
}
