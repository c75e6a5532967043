import { headsOf } from './attention';
import type { Checkpoint } from './checkpoint';
import { attention, headSizeOf, linear, rms, usualAttention, type Block, type Layer } from './decoder';
import { activations, rmsNorm, times, type Vector } from './math';
import { rotationOf, turnedOf } from './rope';

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const softplus = (x: number): number => Math.log1p(Math.exp(x));

/** Each channel of a position as a weighted sum of its own last values, by `weights` [channels, 1, kernel]; then silu. */
export function convolved(
  inputs: readonly Vector[],
  weights: Vector,
  bias: Vector | undefined,
  kernel: number,
): Vector[] {
  return inputs.map((x, position) =>
    x.map((_, channel) => {
      let sum = bias?.[channel] ?? 0;
      for (let tap = 0; tap < kernel; tap++) {
        const from = position - kernel + 1 + tap;
        if (from >= 0) sum += weights[channel * kernel + tap]! * inputs[from]![channel]!;
      }
      return activations.silu(sum);
    }),
  );
}

/** What one head of values is given at a position. */
interface Step {
  readonly query: Vector;
  readonly key: Vector;
  readonly value: Vector;
  /** Share of the state that is kept, and of the error that is corrected. */
  readonly kept: number;
  readonly rate: number;
}

/** S ← kept · S; S ← S + rate · k (v − Sᵀk)ᵀ; o = Sᵀq / √d (Yang et al. 2024, Gated Delta Networks). */
function recurrence(steps: readonly Step[]): Vector[] {
  const [keySize, valueSize] = [steps[0]!.key.length, steps[0]!.value.length];
  const state = new Float64Array(keySize * valueSize);
  const applied = (x: Vector): Vector =>
    Float64Array.from({ length: valueSize }, (_, j) =>
      x.reduce((sum, entry, i) => sum + entry * state[i * valueSize + j]!, 0),
    );
  return steps.map(({ query, key, value, kept, rate }) => {
    for (let i = 0; i < state.length; i++) state[i]! *= kept;
    const known = applied(key);
    for (let i = 0; i < keySize; i++)
      for (let j = 0; j < valueSize; j++)
        state[i * valueSize + j]! += key[i]! * rate * (value[j]! - known[j]!);
    return applied(query).map((entry) => entry / Math.sqrt(keySize));
  });
}

/** Gated delta net of Qwen3-Next and Qwen 3.5. */
export function deltaNet(checkpoint: Checkpoint, prefix: string): Block {
  const keyHeads = checkpoint.number('linear_num_key_heads');
  const valueHeads = checkpoint.number('linear_num_value_heads');
  const size = checkpoint.number('linear_key_head_dim');
  const kernel = checkpoint.number('linear_conv_kernel_dim');
  const shared = valueHeads / keyHeads;
  const vector = (name: string): Vector => checkpoint.vector(`${prefix}.${name}`);
  const [decay, bias] = [vector('A_log'), vector('dt_bias')];
  const epsilon = checkpoint.number('rms_norm_eps', 1e-6);
  const project = projections(checkpoint, prefix, { keyHeads, shared, size });
  const output = linear(checkpoint, `${prefix}.out_proj`);
  return (inputs) => {
    const projected = inputs.map(project);
    const mixed = convolved(
      projected.map(({ qkv }) => qkv),
      vector('conv1d.weight'),
      undefined,
      kernel,
    ).map((x) => headsOf(x, size));
    const unit = (x: Vector): Vector => {
      const length = Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) + 1e-6);
      return x.map((value) => value / length);
    };
    const heads = Array.from({ length: valueHeads }, (_, head) => {
      const key = Math.floor(head / shared);
      return recurrence(
        mixed.map((parts, position) => ({
          query: unit(parts[key]!),
          key: unit(parts[keyHeads + key]!),
          value: parts[2 * keyHeads + head]!,
          kept: Math.exp(-Math.exp(decay[head]!) * softplus(projected[position]!.a[head]! + bias[head]!)),
          rate: sigmoid(projected[position]!.b[head]!),
        })),
      );
    });
    return inputs.map((_, position) => {
      const gates = headsOf(projected[position]!.z, size);
      const joined = heads.flatMap((head, index) => {
        const normed = rmsNorm(head[position]!, vector('norm.weight'), epsilon);
        return [...times(normed, gates[index]!.map(activations.silu))];
      });
      return output(Float64Array.from(joined));
    });
  };
}

interface Projected {
  /** Queries, keys and values. */
  readonly qkv: Vector;
  /** Gates of the values. */
  readonly z: Vector;
  /** One number for each head of values. */
  readonly a: Vector;
  readonly b: Vector;
}

/** One matrix each (Qwen 3.5), or two in which each head of keys has all of its own (Qwen3-Next). */
function projections(
  checkpoint: Checkpoint,
  prefix: string,
  { keyHeads, shared, size }: { keyHeads: number; shared: number; size: number },
): (x: Vector) => Projected {
  const part = (name: string): Layer => linear(checkpoint, `${prefix}.${name}`);
  if (checkpoint.has(`${prefix}.in_proj_z.weight`)) {
    const [qkv, z, a, b] = ['in_proj_qkv', 'in_proj_z', 'in_proj_a', 'in_proj_b'].map(part);
    return (x) => ({ qkv: qkv!(x), z: z!(x), a: a!(x), b: b!(x) });
  }
  const [all, rates] = [part('in_proj_qkvz'), part('in_proj_ba')];
  const widths = [size, size, shared * size, shared * size];
  const pick = (from: Vector, sizes: readonly number[], index: number): number[] => {
    const first = sizes.slice(0, index).reduce((sum, width) => sum + width, 0);
    const total = sizes.reduce((sum, width) => sum + width, 0);
    return Array.from({ length: keyHeads }, (_, head) => head).flatMap((head) => [
      ...from.slice(head * total + first, head * total + first + sizes[index]!),
    ]);
  };
  return (x) => {
    const [wide, narrow] = [all(x), rates(x)];
    return {
      qkv: Float64Array.from([0, 1, 2].flatMap((index) => pick(wide, widths, index))),
      z: Float64Array.from(pick(wide, widths, 3)),
      b: Float64Array.from(pick(narrow, [shared, shared], 0)),
      a: Float64Array.from(pick(narrow, [shared, shared], 1)),
    };
  };
}

/** Attention whose result is multiplied by sigmoid(gate); a head's query and its gate come from one matrix. */
export function gatedAttention(checkpoint: Checkpoint, prefix: string): Block {
  const size = headSizeOf(checkpoint);
  const both = linear(checkpoint, `${prefix}.q_proj`);
  const half =
    (index: 0 | 1): Layer =>
    (x) =>
      Float64Array.from(headsOf(both(x), 2 * size).flatMap((head) => [...headsOf(head, size)[index]!]));
  const turned = turnedOf(checkpoint.config, size, 0.25);
  const attended = attention(
    usualAttention(checkpoint, prefix, {
      ...{ q: half(0), o: (x: Vector) => x, rotation: rotationOf(checkpoint.config, turned) },
      normQ: rms(checkpoint, `${prefix}.q_norm`, 1),
      normK: rms(checkpoint, `${prefix}.k_norm`, 1),
    }),
  );
  const output = linear(checkpoint, `${prefix}.o_proj`);
  return (inputs) =>
    attended(inputs).map((x, position) => output(times(x, half(1)(inputs[position]!).map(sigmoid))));
}
