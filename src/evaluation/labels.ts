import type { Decoder } from '../graph/transformer/decoder';
import { scrambled } from '../graph/transformer/scrambled';
import type { States } from '../graph/transformer/states';
import { throwIfCancelled } from '../model/errors';

/** For each token, a label drawn from the model's own distribution. */
export interface SampledLabels {
  /** −1 for tokens without a label. */
  readonly labels: Int32Array;
  /** ln Σ e^logit over the vocabulary; ∞ for tokens without a label. */
  readonly normalizers: Float32Array;
}

/**
 * Draws a label for each scored token, in one pass over slices of the vocabulary. The same states give the same labels.
 * @param states after the last norm.
 * @param isScored whether a token gets a label.
 */
export async function sampleLabels(
  decoder: Decoder,
  states: States,
  isScored: (token: number) => boolean,
  signal?: AbortSignal,
): Promise<SampledLabels> {
  const draws = new LabelDraws(states.tokens);
  const { hiddenSize } = decoder.shape;
  for await (const slice of decoder.logitSlices(signal)) {
    for (const { first, piece } of decoder.pieces(states)) {
      throwIfCancelled(signal);
      const logits = await slice.run(piece);
      for (let i = 0; i < piece.length / hiddenSize; i++)
        if (isScored(first + i))
          draws.add(first + i, logits.subarray(i * slice.count, (i + 1) * slice.count), slice.first);
    }
  }
  return draws.finish();
}

/** Labels of tokens whose logits come slice by slice. */
export class LabelDraws {
  private readonly labels: Int32Array;
  /** Σ e^(logit − largest) over what has come. */
  private readonly sums: Float64Array;
  private readonly largest: Float64Array;
  private count = 0;

  constructor(tokens: number) {
    this.labels = new Int32Array(tokens).fill(-1);
    this.sums = new Float64Array(tokens);
    this.largest = new Float64Array(tokens).fill(-Infinity);
  }

  /** The next slice of a token: one of its entries becomes the label with the slice's share of all that has come. */
  add(token: number, logits: Float32Array, firstEntry: number): void {
    const most = logits.reduce((a, b) => Math.max(a, b), -Infinity);
    let sum = 0;
    for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i]! - most);
    const before = this.largest[token]!;
    const top = Math.max(before, most);
    const own = sum * Math.exp(most - top);
    const total = (this.sums[token]! === 0 ? 0 : this.sums[token]! * Math.exp(before - top)) + own;
    this.largest[token] = top;
    this.sums[token] = total;
    if (this.uniform() * total < own)
      this.labels[token] = firstEntry + drawn(logits, most, this.uniform() * sum);
  }

  finish(): SampledLabels {
    const normalizers = Float32Array.from(this.labels, (label, token) =>
      label < 0 ? Infinity : this.largest[token]! + Math.log(this.sums[token]!),
    );
    return { labels: this.labels, normalizers };
  }

  /** Inside (0, 1). */
  private uniform(): number {
    return (scrambled(this.count++) + 0.5) / 2 ** 32;
  }
}

/** The entry at which the sum of e^(logit − largest) exceeds a threshold below their total. */
function drawn(logits: Float32Array, largest: number, threshold: number): number {
  let sum = 0;
  for (let i = 0; i < logits.length; i++) {
    sum += Math.exp(logits[i]! - largest);
    if (sum > threshold) return i;
  }
  return logits.length - 1;
}
