import { joinArrays } from '../evaluation/joinArrays';
import { forwardKeeping, type ForwardOptions } from '../evaluation/backward';
import { tokenDivergences, tokenNormalizers } from '../evaluation/divergence';
import { sumLogits, type ScoreBase } from '../evaluation/scoring';
import { mean } from '../evaluation/statistics';
import type { ScoredInputs } from '../evaluation/windows';
import { blockBackward, entryBackward, normBackward, roomAtInput } from '../graph/transformer/backwardPass';
import type { WeightGradients } from '../graph/transformer/gradientReports';
import type { Decoder, LogitSlice } from '../graph/transformer/decoder';
import { turn } from '../graph/transformer/pass';
import { isCarrying } from '../graph/transformer/entryGraph';
import { floatTensor, output } from '../graph/transformer/graphLoader';
import { clear, type States } from '../graph/transformer/states';
import { throwIfCancelled } from '../model/errors';

export interface DistillationOptions extends ForwardOptions {
  /** The original: its states after the last norm at all tokens of the windows. */
  readonly base: ScoreBase;
  /** The token of the windows whose divergence counts alone; that of all does where it is absent. */
  readonly only?: number;
  /** Whether the gradient of a tensor is wanted. */
  readonly wants: (tensor: string) => boolean;
  /**
   * Receives the gradient of a tensor, of its shape, summed over all tokens, as soon as it is complete: the output matrix comes first, the
   * first block and the embedding last. Its weights are not read again in this pass.
   */
  readonly onGradient: (tensor: string, gradient: Float32Array) => Promise<void>;
}

/**
 * One forward and one backward pass over windows of a text: the gradient of Σ KL(original ‖ model) over all tokens, or of that of one, with
 * respect to the weights. Each block is computed again when gradients pass it, so that no more than the gradients of one block, or of the output matrix,
 * and the values of one run are held; those of an output matrix that is also the embedding stay to the end.
 * @param windows all of the decoder's length.
 * @returns the mean divergence before any change, nats per token that counts.
 * @throws QuantscopeError UNSUPPORTED naming an operator that gradients cannot pass.
 */
export async function distil(
  decoder: Decoder,
  windows: readonly ScoredInputs[],
  options: DistillationOptions,
): Promise<number> {
  const kept: States[] = [];
  const { shape } = decoder;
  const { signal, onStep } = options;
  const sums = new WeightSums(decoder, options);
  const receiver = { kind: 'weights', receive: (found: WeightGradients) => sums.add(found) } as const;
  try {
    const states = await forwardKeeping(decoder, windows, kept, options);
    const gradients = states.another();
    kept.push(gradients);
    const divergence = await outputBackward(decoder, { states, gradients, sums }, options);
    if (shape.output !== embedding) await sums.give();
    const last = kept[shape.blocks.length]!;
    const to = roomAtInput(last, gradients);
    if (to !== gradients) kept.push(to);
    await normBackward(decoder, last, { gradients, to }, { signal, receiver });
    await sums.give(shape.output);
    for (const block of shape.blocks.toReversed()) {
      await blockBackward(decoder, block, kept[block.index]!, to, { signal, onStep, receiver });
      await sums.give(shape.output);
    }
    const tokens = joinArrays(
      Int32Array,
      windows.map(({ inputs }) => inputs),
    );
    const addRows = (first: number, found: Float32Array): void =>
      sums.addRows(embedding, tokens.subarray(first), found, shape);
    if (isCarrying(shape))
      await entryBackward(decoder, shape, { tokens, gradients: to }, { signal, receiver }, addRows);
    else for (const { first, piece } of decoder.pieces(to)) addRows(first, piece);
    await sums.give();
    return divergence;
  } finally {
    for (const states of kept) states.close();
  }
}

const embedding = 'token_embd.weight';

/** Gradients of weights that are not complete yet. */
class WeightSums {
  private readonly sums = new Map<string, Float32Array>();

  constructor(
    private readonly decoder: Decoder,
    private readonly options: Pick<DistillationOptions, 'wants' | 'onGradient'>,
  ) {}

  /** Adds the gradient of a weight, or of one of its experts. */
  add({ tensor, expert = 0, gradient }: WeightGradients): Promise<void> {
    this.addAt(tensor, expert * gradient.length, gradient);
    return Promise.resolve();
  }

  /** Adds to the weights of a tensor from `first` on. */
  addAt(tensor: string, first: number, gradient: Float32Array): void {
    if (!this.options.wants(tensor)) return;
    const sum = this.of(tensor);
    for (let i = 0; i < gradient.length; i++) sum[first + i]! += gradient[i]!;
  }

  /** Adds gradients at embeddings by their factor, `[n, hidden]`, to the rows of their tokens. */
  addRows(
    tensor: string,
    tokens: Int32Array,
    gradients: Float32Array,
    { hiddenSize, embeddingScale }: Decoder['shape'],
  ): void {
    if (!this.options.wants(tensor)) return;
    const sum = this.of(tensor);
    gradients.forEach((value, i) => {
      const row = tokens[Math.floor(i / hiddenSize)]!;
      sum[row * hiddenSize + (i % hiddenSize)]! += embeddingScale * value;
    });
  }

  /** Hands over all gradients but those of a tensor that are not complete. */
  async give(open?: string): Promise<void> {
    for (const [tensor, sum] of this.sums) {
      if (tensor === open) continue;
      this.sums.delete(tensor);
      await this.options.onGradient(tensor, sum);
    }
  }

  private of(tensor: string): Float32Array {
    const { weights } = this.decoder;
    const size = (): number => weights.tensors.get(tensor)!.shape.reduce((all, n) => all * n, 1);
    const sum = this.sums.get(tensor) ?? new Float32Array(size());
    this.sums.set(tensor, sum);
    return sum;
  }
}

interface AtOutput {
  /** After the last norm. */
  readonly states: States;
  /** Receives the gradients at these. */
  readonly gradients: States;
  readonly sums: WeightSums;
}

/** The gradients at the states after the last norm and of the output matrix, slice by slice of the vocabulary. @returns the divergence. */
async function outputBackward(
  decoder: Decoder,
  { states, gradients, sums }: AtOutput,
  { base, only, signal, onStep }: DistillationOptions,
): Promise<number> {
  const { hiddenSize, output: tensor } = decoder.shape;
  const { tokens } = states;
  const scored = { states: states.read(0, tokens), targets: new Int32Array(tokens), firstToken: 0 };
  const totals = await sumLogits(decoder, scored, base, { signal });
  const normalizers = counting(tokenNormalizers(totals), only);
  clear(gradients, decoder.tokensPerRun);
  for await (const baseSlice of base.decoder.logitSlices(signal)) {
    const { first: firstRow, count } = baseSlice;
    const source = decoder.sources.divergenceGradient(firstRow, count);
    await decoder.graphs.using(source, signal, async (graph) => {
      for (const { first, piece } of decoder.pieces(states)) {
        throwIfCancelled(signal);
        const own = piece.length / hiddenSize;
        const part = (values: Float32Array) => floatTensor(values.subarray(first, first + own), [own, 1]);
        const outputs = await graph.run({
          x: decoder.tensor(piece),
          base: floatTensor(await baseLogits(base, baseSlice, first, own), [own, count]),
          ...{ normalizer: part(normalizers.own), base_normalizer: part(normalizers.base) },
        });
        const sum = gradients.read(first, own).slice();
        output(outputs, 'grad_x').forEach((value, i) => (sum[i]! += value));
        gradients.write(first, sum);
        for (const { gradient } of graph.weights ?? [])
          sums.addAt(tensor, firstRow * hiddenSize, output(outputs, gradient));
        onStep?.('gradients of the output');
        await turn();
      }
    });
  }
  const { divergences } = tokenDivergences(totals);
  return only === undefined ? mean(divergences).value : divergences[only]!;
}

type Normalizers = ReturnType<typeof tokenNormalizers>;

/** With a normalizer of infinity all probabilities are 0, in both models, and so is the gradient of a token. */
function counting(all: Normalizers, only: number | undefined): Normalizers {
  if (only === undefined) return all;
  const alone = (values: Float32Array): Float32Array =>
    values.map((value, token) => (token === only ? value : Infinity));
  return { own: alone(all.own), base: alone(all.base) };
}

async function baseLogits(
  base: ScoreBase,
  slice: LogitSlice,
  first: number,
  count: number,
): Promise<Float32Array> {
  const states = new Float32Array(count * base.decoder.shape.hiddenSize);
  await base.read(first, states);
  return slice.run(states);
}
