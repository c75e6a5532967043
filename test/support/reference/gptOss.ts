import { attention, linear, rms, sequential, usualAttention, type Block, type Layer } from './decoder';
import type { Checkpoint } from './checkpoint';
import { add, largest, multiply, scale, softmax, type Tensor, type Vector } from './math';

/** The values of E2M1 by their codes (OCP Microscaling Formats 1.0). */
const codeValues = [0, 0.5, 1, 1.5, 2, 3, 4, 6];
const valueOf = (code: number): number => (code & 8 ? -1 : 1) * codeValues[code & 7]!;

/** The matrix of each expert, [out, in], from MXFP4 or from plain numbers that are stored as [in, out]. */
function matrices(checkpoint: Checkpoint, name: string): Tensor[] {
  if (checkpoint.has(name)) {
    const { shape, data } = checkpoint.tensor(name);
    const [count, inputs, outputs] = shape as [number, number, number];
    return Array.from({ length: count }, (_, expert) => ({
      shape: [outputs, inputs],
      data: Float64Array.from({ length: outputs * inputs }, (_unused, at) => {
        const [row, column] = [Math.floor(at / inputs), at % inputs];
        return data[(expert * inputs + column) * outputs + row]!;
      }),
    }));
  }
  const { shape, data: bytes } = checkpoint.tensor(`${name}_blocks`);
  const scales = checkpoint.vector(`${name}_scales`);
  const [count, outputs, groups] = shape as [number, number, number];
  const weights = Float64Array.from({ length: 2 * bytes.length }, (_, at) => {
    const byte = bytes[at >> 1]!;
    return valueOf(at % 2 === 0 ? byte & 15 : byte >> 4) * 2 ** (scales[at >> 5]! - 127);
  });
  const size = outputs * groups * 32;
  return Array.from({ length: count }, (_, expert) => ({
    shape: [outputs, groups * 32],
    data: weights.slice(expert * size, (expert + 1) * size),
  }));
}

const limit = 7;

/** One expert: gate and up are the even and odd entries of the first product. */
function expert(opening: Tensor, openingBias: Vector, down: Tensor, downBias: Vector): Layer {
  return (x) => {
    const both = add(multiply(opening, x), openingBias);
    const inner = Float64Array.from({ length: both.length / 2 }, (_, i) => {
      const gate = Math.min(both[2 * i]!, limit);
      const up = Math.max(-limit, Math.min(both[2 * i + 1]!, limit));
      return ((up + 1) * gate) / (1 + Math.exp(-1.702 * gate));
    });
    return add(multiply(down, inner), downBias);
  };
}

function mixture(checkpoint: Checkpoint, prefix: string): Layer {
  const router = linear(checkpoint, `${prefix}.router`);
  const used = checkpoint.number('num_experts_per_tok');
  const opening = matrices(checkpoint, `${prefix}.experts.gate_up_proj`);
  const down = matrices(checkpoint, `${prefix}.experts.down_proj`);
  const biases = ['gate_up_proj_bias', 'down_proj_bias'].map((name) =>
    checkpoint.vector(`${prefix}.experts.${name}`),
  ) as [Vector, Vector];
  const all = opening.map((matrix, i) => {
    const of = (vector: Vector): Vector =>
      vector.slice((i * vector.length) / opening.length, ((i + 1) * vector.length) / opening.length);
    return expert(matrix, of(biases[0]), down[i]!, of(biases[1]));
  });
  return (x) => {
    const logits = router(x);
    const best = largest(logits, used);
    const shares = softmax(Float64Array.from(best, (i) => logits[i]!));
    return best.map((i, at) => scale(all[i]!(x), shares[at]!)).reduce(add);
  };
}

/** A block of gpt-oss: a sink for each head, and a window in the layers that config.json names. */
export function gptOssBlock(checkpoint: Checkpoint, index: number, prefix: string): Block {
  const types = checkpoint.config['layer_types'] as readonly string[];
  const attend = attention(
    usualAttention(checkpoint, `${prefix}.self_attn`, {
      options: {
        sinks: checkpoint.vector(`${prefix}.self_attn.sinks`),
        ...(types[index] === 'sliding_attention' ? { window: checkpoint.number('sliding_window') } : {}),
      },
    }),
  );
  return sequential(attend, mixture(checkpoint, `${prefix}.mlp`), {
    beforeAttention: rms(checkpoint, `${prefix}.input_layernorm`),
    beforeMlp: rms(checkpoint, `${prefix}.post_attention_layernorm`),
  });
}
