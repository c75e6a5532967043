import type { Checkpoint } from './checkpoint';
import {
  affine,
  attention,
  blocksOf,
  embedding,
  layer,
  linear,
  parallel,
  plain,
  sequential,
  upDown,
  type Layer,
  type Model,
} from './decoder';
import { add, multiply, transposed, type Activation } from './math';
import { rotationOf, turnedOf } from './rope';

/** GPT-2: learned positions, Conv1D layers, a tied output. */
export function gpt2(checkpoint: Checkpoint): Model {
  const prefix = checkpoint.has('transformer.wte.weight') ? 'transformer.' : '';
  const epsilon = checkpoint.number('layer_norm_epsilon', 1e-5);
  const wide = checkpoint.number('n_embd');
  const headSize = wide / checkpoint.number('n_head');
  /** Conv1D keeps its weight as [in, out]. */
  const conv = (name: string): Layer => {
    const weight = transposed(checkpoint.tensor(`${name}.weight`));
    return (x) => affine(weight, checkpoint.vector(`${name}.bias`), x);
  };
  const positions = embedding(checkpoint, `${prefix}wpe.weight`);
  const tokens = embedding(checkpoint, `${prefix}wte.weight`);
  return {
    embed: (token, position) => add(tokens(token), positions(position)),
    blocks: Array.from({ length: checkpoint.number('n_layer') }, (_, i) => {
      const name = `${prefix}h.${i}`;
      const all = conv(`${name}.attn.c_attn`);
      const part =
        (index: number): Layer =>
        (x) =>
          all(x).slice(index * wide, (index + 1) * wide);
      const attended = attention({
        ...{ q: part(0), k: part(1), v: part(2), o: conv(`${name}.attn.c_proj`), headSize },
      });
      return sequential(attended, plain(conv(`${name}.mlp.c_fc`), conv(`${name}.mlp.c_proj`), 'gelu_new'), {
        beforeAttention: layer(checkpoint, `${name}.ln_1`, epsilon),
        beforeMlp: layer(checkpoint, `${name}.ln_2`, epsilon),
      });
    }),
    norm: layer(checkpoint, `${prefix}ln_f`, epsilon),
    output: (x) => multiply(checkpoint.tensor(`${prefix}wte.weight`), x),
  };
}

/** GPT-NeoX: query, key and value of each head side by side, a part of the head turned. */
export function gptNeoX(checkpoint: Checkpoint): Model {
  const epsilon = checkpoint.number('layer_norm_eps', 1e-5);
  const heads = checkpoint.number('num_attention_heads');
  const size = checkpoint.number('hidden_size') / heads;
  const turned = turnedOf(checkpoint.config, size, 0.25, 'rotary_pct');
  const rotation = rotationOf(checkpoint.config, turned, {
    defaultTheta: checkpoint.number('rotary_emb_base', 10_000),
  });
  return {
    embed: embedding(checkpoint, 'gpt_neox.embed_in.weight'),
    blocks: blocksOf(checkpoint, 'gpt_neox.layers', (prefix) => {
      const all = linear(checkpoint, `${prefix}.attention.query_key_value`);
      /** Each head has its query, key and value one after the other. */
      const part =
        (index: number): Layer =>
        (x) => {
          const flat = all(x);
          return Float64Array.from({ length: heads * size }, (_, i) => {
            const head = Math.floor(i / size);
            return flat[(3 * head + index) * size + (i % size)]!;
          });
        };
      const attended = attention({
        ...{ q: part(0), k: part(1), v: part(2), o: linear(checkpoint, `${prefix}.attention.dense`) },
        ...{ headSize: size, rotation },
      });
      const mlp = upDown(
        checkpoint,
        `${prefix}.mlp.dense_h_to_4h`,
        `${prefix}.mlp.dense_4h_to_h`,
        (checkpoint.config['hidden_act'] ?? 'gelu') as Activation,
      );
      const norms = ['input_layernorm', 'post_attention_layernorm'].map((name) =>
        layer(checkpoint, `${prefix}.${name}`, epsilon),
      ) as [Layer, Layer];
      if (checkpoint.config['use_parallel_residual'] !== false) return parallel(attended, mlp, ...norms);
      return sequential(attended, mlp, { beforeAttention: norms[0], beforeMlp: norms[1] });
    }),
    norm: layer(checkpoint, 'gpt_neox.final_layer_norm', epsilon),
    output: linear(checkpoint, 'embed_out'),
  };
}
