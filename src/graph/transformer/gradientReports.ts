import type { Tensor } from 'onnxruntime-node';
import type { BlockShape } from './blockShape';
import { output, type LoadedGraph } from './graphLoader';
import type { PassOptions } from './pass';
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

/** Says that what a block, or an expert, gives is complete. */
export const complete = async ({ receiver }: BackwardOptions): Promise<void> => {
  if (receiver.kind === 'outputs') await receiver.complete?.();
};

/** Hands over what a run of a gradient graph of a block gave. */
export async function report(
  graph: LoadedGraph,
  outputs: Readonly<Record<string, Tensor>>,
  { index }: BlockShape,
  { receiver }: BackwardOptions,
  expert?: number,
): Promise<void> {
  const prefix = `blk.${index}.`;
  if (receiver.kind === 'weights') return reportWeights(graph, outputs, prefix, receiver, expert);
  for (const { part, rows, columns, gradient, input, members } of graph.products ?? [])
    for (let member = 0; member < (members ?? 1); member++) {
      const own = members === undefined ? expert : member;
      await receiver.receive({
        ...{ tensor: prefix + part, rows, columns },
        gradients: ofMember(output(outputs, gradient), member, members ?? 1),
        inputs: ofMember(output(outputs, input), member, members ?? 1),
        ...(own === undefined ? {} : { expert: own }),
      });
    }
}

/** The same of weights alone, whose names begin with `prefix`. */
export async function reportWeights(
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
