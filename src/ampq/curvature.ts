import { backward, type ForwardOptions } from '../evaluation/backward';
import type { ScoredInputs } from '../evaluation/windows';
import type { ProductGradients } from '../graph/transformer/gradientReports';
import { ChangeProducts } from '../graph/transformer/changeProducts';
import type { Decoder } from '../graph/transformer/decoder';
import type { WeightChanges } from '../graph/transformer/weights';

/**
 * Effect of each change alone on the output, to second order: ½ mean (g · ΔW x)², with g the gradients of −ln p(label) at the output of a matrix,
 * x its inputs, and labels drawn from the model's own distribution (Martens 2020, section 5). Products of different tokens are left
 * out. One backward pass serves all tensors; the differences ΔW of one block, or of one expert, are held at a time.
 * @param decoder the model, streamed; its weights are changed and restored.
 * @param windows all of the decoder's length; their scored positions count.
 * @returns KL divergences from the unchanged model, nats per scored token, of the changed tensors of blocks, by their names in GGUF.
 * @throws QuantscopeError UNSUPPORTED naming an operator that gradients cannot pass.
 */
export async function measureCurvature(
  decoder: Decoder,
  windows: readonly ScoredInputs[],
  changes: WeightChanges,
  options: ForwardOptions,
): Promise<ReadonlyMap<string, number>> {
  const sums = new Map<string, number>();
  const differences = new Differences(decoder, changes, options.signal);
  const products = await ChangeProducts.open(decoder.device);
  try {
    const { labels } = await backward(decoder, windows, {
      ...options,
      onProduct: async (found) => {
        if (!changes.has(found.tensor)) return;
        const moved = await products.of(found, await differences.of(found));
        const half = moved.reduce((sum, value) => sum + value ** 2, 0) / 2;
        sums.set(found.tensor, (sums.get(found.tensor) ?? 0) + half);
      },
    });
    const scored = labels.reduce((count, label) => count + (label >= 0 ? 1 : 0), 0);
    return new Map([...sums].map(([name, sum]) => [name, sum / scored]));
  } finally {
    await products.close();
  }
}

/** What changes do to weights: of the matrices of one block, or of one expert, as these come together. */
class Differences {
  private part = '';
  private readonly held = new Map<string, Float32Array>();

  constructor(
    private readonly decoder: Decoder,
    private readonly changes: WeightChanges,
    private readonly signal: AbortSignal | undefined,
  ) {}

  /** `[rows, columns]`. */
  async of(product: ProductGradients): Promise<Float32Array> {
    const { tensor, expert = '' } = product;
    const part = `${/^blk\.\d+\./.exec(tensor)?.[0] ?? tensor} ${tensor.includes('_exps.') ? expert : ''}`;
    if (part !== this.part) this.held.clear();
    this.part = part;
    const key = `${tensor} ${expert}`;
    const known = this.held.get(key) ?? (await this.load(product));
    this.held.set(key, known);
    return known;
  }

  private async load({ tensor, expert = 0, rows, columns }: ProductGradients): Promise<Float32Array> {
    const { weights } = this.decoder;
    const place = { rows: { first: expert * rows, count: rows }, signal: this.signal };
    const [before, after] = [new Float32Array(rows * columns), new Float32Array(rows * columns)];
    await weights.load(tensor, before, place);
    weights.replace(tensor, this.changes.get(tensor));
    try {
      await weights.load(tensor, after, place);
    } finally {
      weights.replace(tensor, undefined);
    }
    for (let i = 0; i < after.length; i++) after[i]! -= before[i]!;
    return after;
  }
}
