import type { Tensor } from 'onnxruntime-node';
import { throwIfCancelled } from '../../model/errors';
import { turn, type Decoder, type PassOptions } from './decoder';
import type { BlockShape } from './blockShape';
import { isClosed } from './closing';
import type { CarryingDecoder } from './entryGraph';
import { floatTensor, output, type LoadedGraph } from './graphLoader';
import type { NamedSource } from './graphSources';
import { routeGradients, routeTokens, scaledRows, sharesOf, type Assignment } from './routing';
import type { States } from './states';
import { ofMember } from './tapSums';

/** What a run of a gradient graph gave of a matrix. Arrays are valid until the next run. */
export interface ProductGradients {
  /** Its name in GGUF. */
  readonly tensor: string;
  /** Which of the matrices that are merged in the tensor: an expert, or a head. */
  readonly expert?: number;
  /** Channels of the output and of the input. */
  readonly rows: number;
  readonly columns: number;
  /** At the output, `[tokens, rows]`. */
  readonly gradients: Float32Array;
  /** `[tokens, columns]`. */
  readonly inputs: Float32Array;
}

/** What a run of a gradient graph gave of a weight: the gradient summed over the run's tokens, valid until the next run. */
export interface WeightGradients {
  /** Its name in GGUF. */
  readonly tensor: string;
  /** Which of the experts that are merged in the tensor. */
  readonly expert?: number;
  /** Of the weight's shape, or that of one expert. */
  readonly gradient: Float32Array;
}

/** What receives the gradients of each run: those at the outputs of matrices, or those of weights. */
export type GradientReceiver =
  | {
      readonly kind: 'outputs';
      readonly receive: (found: ProductGradients) => Promise<void>;
      /** After the last run of a graph: there is no more of the matrices of an expert, or of the rest of a block. */
      readonly complete?: () => Promise<void>;
    }
  | { readonly kind: 'weights'; readonly receive: (found: WeightGradients) => Promise<void> };

export interface BackwardOptions extends Pick<PassOptions, 'signal' | 'onStep'> {
  readonly receiver: GradientReceiver;
}

/**
 * Gradients of a sum over tokens go back through one block: those at its output are replaced by those at its input.
 * @param inputs the states of whole windows before the block.
 * @param gradients at the block's output, of the same tokens.
 */
export async function blockBackward(
  decoder: Decoder,
  block: BlockShape,
  inputs: States,
  gradients: States,
  options: BackwardOptions,
): Promise<void> {
  const mixture = block.experts && (await mixtureBackward(decoder, block, inputs, gradients, options));
  const { blocks } = decoder.shape;
  try {
    await decoder.graphs.using(
      decoder.sources.blockGradient(block, decoder.length, options.receiver.kind),
      options.signal,
      async (graph) => {
        for (const { first, piece } of decoder.pieces(inputs)) {
          throwIfCancelled(options.signal);
          const { width } = inputs;
          const tokens = piece.length / width;
          const outputs = await graph.run({
            ...{
              x: decoder.tensor(piece, width),
              grad_y: decoder.tensor(gradients.read(first, tokens), width),
            },
            ...(mixture ? mixture.feeds(first, tokens) : {}),
          });
          gradients.write(first, output(outputs, 'grad_x'));
          await report(graph, outputs, block, options);
          options.onStep?.(`gradients of block ${block.index + 1} of ${blocks.length}`);
          await turn();
        }
      },
    );
    await complete(options);
  } finally {
    mixture?.close();
  }
}

/**
 * The same through the last norm; the gradients of its weights are given where they are asked for.
 * @param to receives the gradients at its input; may be the given ones where both have one width.
 */
export async function normBackward(
  decoder: Decoder,
  inputs: States,
  { gradients, to }: { readonly gradients: States; readonly to: States },
  { signal, receiver }: Partial<Pick<BackwardOptions, 'signal' | 'receiver'>>,
): Promise<void> {
  const source: NamedSource = decoder.sources.normGradient();
  await decoder.graphs.using(source, signal, async (graph) => {
    for (const { first, piece } of decoder.pieces(inputs)) {
      throwIfCancelled(signal);
      const incoming = gradients.read(first, piece.length / inputs.width);
      const outputs = await graph.run({
        ...{ x: decoder.tensor(piece, inputs.width), grad_y: decoder.tensor(incoming) },
      });
      to.write(first, output(outputs, 'grad_x'));
      if (receiver?.kind === 'weights') await reportWeights(graph, outputs, '', receiver);
    }
  });
}

/**
 * The same through what makes the first states of embeddings; the gradients of its weights are given.
 * @param gradients at the states before the first block.
 * @param onEmbeddings receives those at the embeddings by their factor, `[n, hidden]`, of tokens from `first` on.
 */
export async function entryBackward(
  decoder: Decoder,
  shape: CarryingDecoder,
  { tokens, gradients }: { readonly tokens: Int32Array; readonly gradients: States },
  { signal, receiver }: Pick<BackwardOptions, 'signal' | 'receiver'>,
  onEmbeddings: (first: number, found: Float32Array) => void,
): Promise<void> {
  await decoder.graphs.using(decoder.sources.entryGradient(shape), signal, async (graph) => {
    for (const { first, piece } of decoder.pieces(gradients)) {
      throwIfCancelled(signal);
      const own = tokens.subarray(first, first + piece.length / gradients.width);
      const outputs = await graph.run({
        ...(await decoder.embeddings.inputsOf(shape, own, signal)),
        grad_y: decoder.tensor(piece, gradients.width),
      });
      onEmbeddings(first, output(outputs, 'grad_x'));
      if (receiver.kind === 'weights') await reportWeights(graph, outputs, '', receiver);
    }
  });
}

/** Room for the gradients at the input of the last norm: that of those at its output, where both have one width. */
export const roomAtInput = (inputs: States, gradients: States): States =>
  inputs.width === gradients.width ? gradients : inputs.another();

/** Fills states with zeros. */
export function clear(decoder: Decoder, states: States): void {
  for (let first = 0; first < states.tokens; first += decoder.tokensPerRun) {
    const tokens = Math.min(decoder.tokensPerRun, states.tokens - first);
    states.write(first, new Float32Array(tokens * states.width));
  }
}

/** What comes back from the experts of a block: the gradients at their inputs and at the router's logits. */
async function mixtureBackward(
  decoder: Decoder,
  block: BlockShape,
  inputs: States,
  gradients: States,
  options: BackwardOptions,
) {
  const experts = await decoder.routingOf(block, block.experts!, options.signal);
  const routed = inputs.another();
  const atRouted = inputs.another();
  const middle = isClosed(block) ? inputs.another() : undefined;
  let atExperts = gradients;
  try {
    const router = await decoder.routeBlock(block, inputs, routed, options, (first, outputs) =>
      middle?.write(first, output(outputs, 'y')),
    );
    if (middle)
      atExperts = await closingBackward(decoder, block, { middle, routed, router, gradients }, options);
    const atShares = new Float32Array(router.length);
    clear(decoder, atRouted);
    for (const [expert, assignment] of routeTokens(router, experts).entries())
      await expertBackward(
        decoder,
        block,
        { expert, assignment, routed, gradients: atExperts, atRouted, atShares },
        options,
      );
    const atRouter = routeGradients(router, experts, atShares);
    return {
      feeds: (first: number, tokens: number) => ({
        grad_routed: decoder.tensor(atRouted.read(first, tokens)),
        grad_router: floatTensor(atRouter.subarray(first * experts.count, (first + tokens) * experts.count), [
          tokens,
          experts.count,
        ]),
      }),
      close: () => atRouted.close(),
    };
  } catch (error) {
    atRouted.close();
    throw error;
  } finally {
    routed.close();
    middle?.close();
    if (atExperts !== gradients) atExperts.close();
  }
}

interface ClosedTokens {
  /** States after attention. */
  readonly middle: States;
  readonly routed: States;
  readonly router: Float32Array;
  /** At the output of the block; replaced by those at the states after attention. */
  readonly gradients: States;
}

/** Gradients go back through the end of a block after its experts. @returns those at what the experts add up to. Close it. */
async function closingBackward(
  decoder: Decoder,
  block: BlockShape,
  { middle, routed, router, gradients }: ClosedTokens,
  options: BackwardOptions,
): Promise<States> {
  const { signal, receiver } = options;
  const experts = await decoder.expertSums(block, middle, routed, router, { signal });
  try {
    const source = decoder.sources.closingGradient(block, receiver.kind);
    await decoder.graphs.using(source, signal, async (graph) => {
      for (const { first, piece } of decoder.pieces(middle)) {
        throwIfCancelled(signal);
        const tokens = piece.length / middle.width;
        const outputs = await graph.run({
          x: decoder.tensor(piece),
          experts: decoder.tensor(experts.read(first, tokens)),
          grad_y: decoder.tensor(gradients.read(first, tokens)),
        });
        gradients.write(first, output(outputs, 'grad_x'));
        // What the experts add up to is not needed any more.
        experts.write(first, output(outputs, 'grad_experts'));
        await report(graph, outputs, block, options);
        await turn();
      }
    });
    await complete(options);
    return experts;
  } catch (error) {
    experts.close();
    throw error;
  }
}

interface ExpertTokens {
  readonly expert: number;
  readonly assignment: Assignment;
  /** Inputs of the experts, and the gradients at the output of the block. */
  readonly routed: States;
  readonly gradients: States;
  /** Receive what this expert adds: at its inputs, and at the shares `[tokens, experts]`. */
  readonly atRouted: States;
  readonly atShares: Float32Array;
}

async function expertBackward(
  decoder: Decoder,
  block: BlockShape,
  { expert, assignment, routed, gradients, atRouted, atShares }: ExpertTokens,
  options: BackwardOptions,
): Promise<void> {
  if (assignment.rows.length === 0) return;
  const { count } = block.experts!;
  const source = decoder.sources.expertGradient(block, expert, options.receiver.kind);
  await decoder.graphs.using(source, options.signal, async (graph) => {
    for (const { rows, shares } of decoder.partsOf(assignment)) {
      throwIfCancelled(options.signal);
      const incoming = gradients.gather(rows);
      const picked = routed.gather(rows);
      // Shares are factors of the inputs, or of the outputs.
      const { inputs, added } = sharesOf(block.experts!, picked, { rows, shares });
      const outputs = await graph.run({
        x: decoder.tensor(inputs),
        grad_y: decoder.tensor(scaledRows(incoming, added.shares)),
      });
      const back = output(outputs, 'grad_x');
      const products = block.experts!.scaledInputs
        ? rowProducts(back, picked, rows.length)
        : rowProducts(incoming, output(outputs, 'y'), rows.length);
      rows.forEach((row, i) => (atShares[row * count + expert] = products[i]!));
      atRouted.scatter(back, {
        rows,
        shares: block.experts!.scaledInputs ? shares : added.shares.map(() => 1),
      });
      await report(graph, outputs, block, options, expert);
      await turn();
    }
  });
  await complete(options);
}

const complete = async ({ receiver }: BackwardOptions): Promise<void> => {
  if (receiver.kind === 'outputs') await receiver.complete?.();
};

async function report(
  graph: LoadedGraph,
  outputs: Readonly<Record<string, Tensor>>,
  { index }: BlockShape,
  { receiver }: BackwardOptions,
  expert?: number,
): Promise<void> {
  const prefix = `blk.${index}.`;
  if (receiver.kind === 'weights') return reportWeights(graph, outputs, prefix, receiver, expert);
  for (const { part, rows, columns, gradient, input, members = 1 } of graph.products ?? [])
    for (let member = 0; member < members; member++) {
      const own = members === 1 ? expert : member;
      await receiver.receive({
        ...{ tensor: prefix + part, rows, columns },
        gradients: ofMember(output(outputs, gradient), member, members),
        inputs: ofMember(output(outputs, input), member, members),
        ...(own === undefined ? {} : { expert: own }),
      });
    }
}

async function reportWeights(
  graph: LoadedGraph,
  outputs: Readonly<Record<string, Tensor>>,
  prefix: string,
  { receive }: Extract<GradientReceiver, { readonly kind: 'weights' }>,
  expert?: number,
): Promise<void> {
  for (const { part, gradient } of graph.weights ?? [])
    await receive({
      ...{ tensor: prefix + part, gradient: output(outputs, gradient) },
      ...(expert === undefined ? {} : { expert }),
    });
}

/** Inner products of the rows of two matrices. */
function rowProducts(a: Float32Array, b: Float32Array, rows: number): Float64Array {
  const columns = a.length / rows;
  const products = new Float64Array(rows);
  for (let i = 0; i < a.length; i++) products[Math.floor(i / columns)]! += a[i]! * b[i]!;
  return products;
}
