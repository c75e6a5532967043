import type { Checkpoint } from './checkpoint';
import {
  attention,
  embedding,
  gated,
  headSizeOf,
  linear,
  sequential,
  usualAttention,
  type Block,
  type Layer,
  type Model,
} from './decoder';
import { biasedExperts } from './experts';
import { multiply, rmsNorm, times, type Vector } from './math';
import { rotationOf } from './rope';

/** c · (the last values of b · x, weighted by channel), for b, c and x from one matrix. */
function shortConvolution(checkpoint: Checkpoint, prefix: string): Block {
  const [input, output] = [linear(checkpoint, `${prefix}.in_proj`), linear(checkpoint, `${prefix}.out_proj`)];
  const weights = checkpoint.vector(`${prefix}.conv.weight`);
  const kernel = checkpoint.number('conv_L_cache');
  return (inputs) => {
    const projected = inputs.map(input);
    const size = projected[0]!.length / 3;
    const products = projected.map((all) => times(all.slice(0, size), all.slice(2 * size)));
    return projected.map((all, position) => {
      const mixed = Float64Array.from({ length: size }, (_, channel) => {
        let sum = 0;
        for (let tap = 0; tap < kernel; tap++) {
          const from: Vector | undefined = products[position - kernel + 1 + tap];
          if (from) sum += weights[channel * kernel + tap]! * from[channel]!;
        }
        return sum;
      });
      return output(times(all.slice(size, 2 * size), mixed));
    });
  };
}

const names = { gate: 'w1', up: 'w3', down: 'w2' };

function lfm2(checkpoint: Checkpoint): Model {
  const norm =
    (name: string): Layer =>
    (x) =>
      rmsNorm(x, checkpoint.vector(`${name}.weight`), checkpoint.number('norm_eps'));
  const table = 'model.embed_tokens.weight';
  const types = checkpoint.config['layer_types'] as readonly string[];
  const dense = checkpoint.number('num_dense_layers', Infinity);
  return {
    embed: embedding(checkpoint, table),
    blocks: Array.from({ length: checkpoint.number('num_hidden_layers') }, (_, index) => {
      const prefix = `model.layers.${index}`;
      const attn = `${prefix}.self_attn`;
      const mixer = (): Block =>
        attention(
          usualAttention(
            checkpoint,
            attn,
            {
              normQ: norm(`${attn}.q_layernorm`),
              normK: norm(`${attn}.k_layernorm`),
              rotation: rotationOf(checkpoint.config, headSizeOf(checkpoint), { defaultTheta: 1_000_000 }),
            },
            'out_proj',
          ),
        );
      const network = `${prefix}.feed_forward`;
      return sequential(
        types[index] === 'conv' ? shortConvolution(checkpoint, `${prefix}.conv`) : mixer(),
        index < dense ? gated(checkpoint, network, 'silu', names) : experts(checkpoint, network),
        { beforeAttention: norm(`${prefix}.operator_norm`), beforeMlp: norm(`${prefix}.ffn_norm`) },
      );
    }),
    norm: norm('model.embedding_norm'),
    output: (x) => multiply(checkpoint.tensor(table), x),
  };
}

function experts(checkpoint: Checkpoint, prefix: string): Layer {
  const all = Array.from({ length: checkpoint.number('num_experts') }, (_, i) =>
    gated(checkpoint, `${prefix}.experts.${i}`, 'silu', names),
  );
  const used = checkpoint.number('num_experts_per_tok');
  const bias = checkpoint.vector(`${prefix}.expert_bias`);
  const groups = { count: 1, used: 1 };
  return biasedExperts(linear(checkpoint, `${prefix}.gate`), all, used, { bias, groups, factor: 1 });
}

/** By class. */
export const lfm2Models: Readonly<Record<string, (checkpoint: Checkpoint) => Model>> = {
  Lfm2ForCausalLM: lfm2,
  Lfm2MoeForCausalLM: lfm2,
};
