import { toCheckpointOrder, toFileOrder } from '../architectures/rowOrder';
import type { Decoder } from '../graph/transformer/decoder';
import { MemoryStates } from '../graph/transformer/states';
import { QuantscopeError } from '../model/errors';
import { distil } from './distillation';
import { OriginalStates } from './originalStates';
import { said } from '../protocol/said';

export interface CausesOptions {
  /** Whether the weights of a tensor may differ. */
  readonly mayDiffer: (tensor: string) => boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: ((part: string) => void) | undefined;
}

export interface TokenCauses {
  /** KL(original ‖ variant) after the last token: nats. */
  readonly divergence: number;
  /** What the error of each tensor that differs adds to it, by the name in GGUF of the variant's. */
  readonly effects: ReadonlyMap<string, number>;
}

/**
 * What the errors of single tensors add to the divergence of the token that follows a text: ½ g · ΔW, with g the gradient of the divergence
 * at the variant and ΔW the error. This is the trapezoidal rule for the integral of gradients from the original, where the gradient is 0,
 * to the variant (Sundararajan et al. 2017). As far as the divergence is a quadratic function of the errors, effects add up to it, and each
 * is the mean of what the tensor adds over all orders in which tensors could be exchanged (Shapley's value of that function).
 * @param decoders of windows as long as the text.
 * @throws QuantscopeError UNSUPPORTED naming an operator that gradients cannot pass; REQUEST for models whose tensors have other shapes.
 */
export async function tokenCauses(
  { original, variant }: { readonly original: Decoder; readonly variant: Decoder },
  text: Int32Array,
  { mayDiffer, signal, onStep }: CausesOptions,
): Promise<TokenCauses> {
  const windows = [{ inputs: text, targets: new Int32Array(text.length).fill(-1) }];
  const roomOf =
    ({ shape }: Decoder) =>
    (tokens: number) =>
      new MemoryStates(new Float32Array(tokens * shape.stateSize), shape.stateSize);
  const pass = { signal, onStep, windowsAtOnce: 1 };
  const states = await OriginalStates.measure(original, windows, roomOf(original)(text.length), pass);
  const effects = new Map<string, number>();
  try {
    const divergence = await distil(variant, windows, {
      ...pass,
      ...{ room: roomOf(variant), base: states.of([0]), only: text.length - 1, wants: mayDiffer },
      onGradient: async (tensor, gradient) => {
        const effect = await movedBy(original, variant, tensor, gradient, signal);
        if (effect !== 0) effects.set(tensor, effect / 2);
      },
    });
    return { divergence, effects };
  } finally {
    states.close();
  }
}

/** g · (W of the variant − W of the original). */
async function movedBy(
  original: Decoder,
  variant: Decoder,
  tensor: string,
  gradient: Float32Array,
  signal: AbortSignal | undefined,
): Promise<number> {
  // An output matrix of its own may have been that of the embedding.
  const source = tensor === variant.shape.output ? original.shape.output : tensor;
  const [before, after] = [
    await weightsOf(original, source, signal),
    await weightsOf(variant, tensor, signal),
  ];
  if (before.length !== after.length) {
    const message = said`The tensor has ${before.length} weights in the original and ${after.length} in the variant.`;
    throw new QuantscopeError('REQUEST', message, { tensor });
  }
  const moved = inOrderOf(variant, tensor, before, original.weights.interleaved(source));
  let sum = 0;
  for (let i = 0; i < after.length; i++) sum += gradient[i]! * (after[i]! - moved[i]!);
  return sum;
}

/** @throws QuantscopeError REQUEST for a tensor that the model lacks. */
async function weightsOf(
  { weights }: Decoder,
  tensor: string,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const shape = weights.tensors.get(tensor)?.shape;
  if (!shape)
    throw new QuantscopeError('REQUEST', said`One of the two models lacks this tensor.`, { tensor });
  const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
  await weights.load(tensor, values, { signal });
  return values;
}

/** Weights of the original with rows in the order that the variant has: one may be a checkpoint and the other a GGUF file. */
function inOrderOf(
  { weights }: Decoder,
  tensor: string,
  values: Float32Array,
  unit: number | undefined,
): Float32Array {
  const wanted = weights.interleaved(tensor);
  if (unit === wanted) return values;
  const { shape } = weights.tensors.get(tensor)!;
  const columns = shape.length === 1 ? 1 : shape.at(-1)!;
  if (unit !== undefined) return toFileOrder(values, columns, unit);
  const moved = new Float32Array(values.length);
  toCheckpointOrder(values, columns, wanted!, moved);
  return moved;
}
