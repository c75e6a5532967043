import type { Checkpoint, Config } from './checkpoint';
import { linear, type AttentionParts, type Layer } from './decoder';
import { experts } from './experts';
import { activations, multiply, rowsOf, times, transposed, type Tensor } from './math';

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

/** Experts of Qwen3-VL: x times the merged matrices, gate in the first half of the columns. */
export function transposedExperts(checkpoint: Checkpoint, prefix: string): Layer {
  const both = checkpoint.tensor(`${prefix}.experts.gate_up_proj`);
  const down = checkpoint.tensor(`${prefix}.experts.down_proj`);
  const all = Array.from({ length: both.shape[0]! }, (_, expert): Layer => {
    const opening = matrixOf(both, expert);
    const closing = matrixOf(down, expert);
    const size = opening.shape[0]! / 2;
    const [gate, up] = [rowsOf(opening, 0, size), rowsOf(opening, size, size)];
    return (x) => multiply(closing, times(multiply(gate, x).map(activations.silu), multiply(up, x)));
  });
  const used = checkpoint.number('num_experts_per_tok');
  return experts(linear(checkpoint, `${prefix}.gate`), all, used, { normalize: true });
}
