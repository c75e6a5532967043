/** What a layer with a state of its own adds to the memory at run time, as numbers of float32. */
export interface RecurrentLayer {
  /** Kept of each sequence, however long it is. */
  readonly states: number;
  /** Held at once for each token of a batch, besides the states between blocks. */
  readonly perToken: number;
  /** Held at once for each sequence. */
  readonly perSequence: number;
}

/**
 * Short convolutions, gated delta nets and Mamba 2, whose states llama.cpp v0.5.0 keeps in float32: the inputs that the convolution still
 * needs and a matrix of each head. What is held at once was measured on layers of models' widths, and is above it by at most a tenth.
 * @param parts shapes of all tensors of the model.
 * @returns undefined for a layer without such a state.
 */
export function recurrentLayer(
  index: number,
  parts: ReadonlyMap<string, readonly number[]>,
  number: (key: string) => number,
): RecurrentLayer | undefined {
  const shapeAt = (part: string): readonly number[] | undefined => parts.get(`blk.${index}.${part}`);
  const convolution = shapeAt('shortconv.conv.weight') ?? shapeAt('ssm_conv1d.weight');
  if (!convolution) return undefined;
  const [channels = 0, kernel = 1] = convolution;
  const inputs = (kernel - 1) * channels;
  if (shapeAt('shortconv.conv.weight')) return { states: inputs, perToken: 6 * channels, perSequence: 0 };
  const inner = number('ssm.inner_size');
  const states = inputs + number('ssm.state_size') * inner;
  const isNet = shapeAt('attn_gate.weight') ?? shapeAt('ssm_ba.weight');
  return isNet
    ? { states, perToken: 3 * channels, perSequence: 0 }
    : { states, perToken: 2 * inner + 3 * channels, perSequence: states };
}
