import { throwIfCancelled } from '../../model/errors';
import type { BlockShape } from './blockShape';
import type { Decoder } from './decoder';
import type { CarryingDecoder } from './entryGraph';
import { complete, report, reportWeights, type BackwardOptions } from './gradientReports';
import { output } from './graphLoader';
import type { NamedSource } from './graphSources';
import { mixtureBackward } from './mixtureBackward';
import { turn } from './pass';
import type { States } from './states';

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
