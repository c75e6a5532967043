import { throwIfCancelled } from '../../model/errors';
import type { BlockShape } from './blockShape';
import { isClosed } from './closing';
import type { Decoder } from './decoder';
import { complete, report, type BackwardOptions } from './gradientReports';
import type { RoutedTokens } from './expertPass';
import { floatTensor, output } from './graphLoader';
import { turn } from './pass';
import { routeGradients, routeTokens, scaledRows, sharesOf, type Assignment } from './routing';
import { clear, type States } from './states';

/** What comes back from the experts of a block: the gradients at their inputs and at the router's logits. */
export async function mixtureBackward(
  decoder: Decoder,
  block: BlockShape,
  inputs: States,
  gradients: States,
  options: BackwardOptions,
) {
  const experts = await decoder.experts.routingOf(block, options.signal);
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
    clear(atRouted, decoder.tokensPerRun);
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

interface ClosedTokens extends RoutedTokens {
  /** States after attention. */
  readonly middle: States;
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
  const experts = await decoder.experts.sums(block, middle, { routed, router }, { signal });
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
    for (const { rows, shares } of decoder.experts.partsOf(assignment)) {
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

/** Inner products of the rows of two matrices. */
function rowProducts(a: Float32Array, b: Float32Array, rows: number): Float64Array {
  const columns = a.length / rows;
  const products = new Float64Array(rows);
  for (let i = 0; i < a.length; i++) products[Math.floor(i / columns)]! += a[i]! * b[i]!;
  return products;
}
