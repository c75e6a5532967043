import type { SerializedMessage } from '../../graph/protobuf';
import type { BlockShape } from '../../graph/transformer/decoderShape';
import { modelGraph } from '../../graph/transformer/modelGraph';
import { describeDecoder, type DescribedDecoder } from '../../graph/transformer/openDecoder';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import type { OnnxTensor } from '../../protocol/exportOnnx';
import { GraphTensors, type MatrixChoices, type StorageOptions } from './graphTensors';
import { Places, type Place } from './places';

export interface OnnxOptions extends StorageOptions {
  /** Positions that the graph has room for; the model's context length when absent. */
  readonly context?: number | undefined;
  /** No inputs and outputs of keys and values. */
  readonly withoutPast?: boolean | undefined;
  /** Weights in a file of their own; otherwise only where they do not fit into one of 2 GB. */
  readonly external?: boolean | undefined;
}

/** A file to be written: a graph, and the tensors inside or beside it. */
export interface OnnxPlan {
  readonly graph: SerializedMessage;
  readonly places: readonly Place[];
  /** Bytes of the data beside the graph; 0 where all is in one file. */
  readonly externalBytes: number;
  readonly tensors: readonly OnnxTensor[];
  /** What was chosen, as sentences. */
  readonly notes: readonly string[];
}

/** Bytes of a file that holds its weights; protobuf ends at 2 GiB. */
const maxFileBytes = 2e9;

/**
 * What the file of a whole model will hold, and where. Reads no weights but factors of the rotary embedding.
 * @param dataFile name of the file beside the graph.
 * @throws QuantscopeError UNSUPPORTED for a model whose graph cannot be built and for a choice that no operator expresses; REQUEST for
 * a choice of a tensor that the graph does not multiply with, or for more positions than the model has.
 */
export async function planOnnx(
  model: Model,
  choices: MatrixChoices,
  dataFile: string,
  options: OnnxOptions = {},
): Promise<OnnxPlan> {
  const file = model.description.path;
  const described = await describeDecoder(model, { length: options.context });
  refuseExperts(described.shape.blocks, file);
  const whole = { ...options, context: contextOf(described, options.context, file) };
  const inside = options.external
    ? undefined
    : layOut(described, choices, new Places(undefined), whole, file);
  const plan =
    inside && inside.graph.byteLength <= maxFileBytes
      ? inside
      : layOut(described, choices, new Places(dataFile), whole, file);
  const known = new Set(plan.tensors.map(({ name }) => name));
  const stranger = [...choices.keys()].find((name) => !known.has(name));
  if (stranger === undefined) return plan;
  const message = 'The graph multiplies with no matrix of this name.';
  throw new QuantscopeError('REQUEST', message, { file, tensor: stranger });
}

function contextOf({ shape }: DescribedDecoder, context: number | undefined, file: string): number {
  if (context === undefined || context <= shape.contextLength) return context ?? shape.contextLength;
  const message = `The model was made for ${shape.contextLength} positions; a graph of ${context} cannot be written.`;
  throw new QuantscopeError('REQUEST', message, { file });
}

function refuseExperts(blocks: readonly BlockShape[], file: string): void {
  const block = blocks.find(({ experts }) => experts);
  if (!block) return;
  const message = `Block ${block.index} is a mixture of experts. Which of them a token goes through is decided while the graph runs, and ONNX has no operator for that: such models cannot be exported as ONNX.`;
  throw new QuantscopeError('UNSUPPORTED', message, { file });
}

function layOut(
  described: DescribedDecoder,
  choices: MatrixChoices,
  places: Places,
  options: OnnxOptions & { readonly context: number },
  file: string,
): OnnxPlan {
  const { shape, weights } = described;
  const tensors = new GraphTensors(weights, choices, places, options, file);
  const { context, withoutPast } = options;
  const graph = modelGraph(shape, tensors, { context, past: withoutPast !== true }).serialize();
  const { all, externalBytes } = places;
  return { graph, places: all, externalBytes, tensors: tensors.listed, notes: notesOn(described, context) };
}

function notesOn({ shortLength }: DescribedDecoder, context: number): string[] {
  if (shortLength === undefined) return [];
  const [which, other] = context > shortLength ? ['more than', 'shorter'] : ['at most', 'longer'];
  return [
    `The model rotates texts of ${which} ${shortLength} tokens by other factors than ${other} ones (LongRoPE), and a graph holds one set: with ${context} positions it has those for texts of ${which} ${shortLength} tokens.`,
  ];
}
