import type { DecoderShape } from '../../graph/transformer/decoderShape';
import { refuseOtherStates } from '../../graph/transformer/mixers';
import { modelGraph } from '../../graph/transformer/modelGraph';
import { describeDecoder, type DescribedDecoder } from '../../graph/transformer/openDecoder';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import { GraphTensors, type MatrixChoices } from './graphTensors';
import type { LayerOptions } from './layerGraph';
import { smallest, type OnnxFile } from './onnxFile';
import { transformersJsPath, type TransformersJsDtype } from './transformersJs';
import { said } from '../../protocol/said';

export interface OnnxOptions extends LayerOptions {
  /** Positions that the graph has room for; the model's context length when absent. */
  readonly context?: number | undefined;
  /** No inputs and outputs of keys and values. */
  readonly withoutPast?: boolean | undefined;
  /** The graph gets the name that transformers.js looks for when it is asked for this dtype. */
  readonly transformersJs?: TransformersJsDtype | undefined;
}

/** The file of a whole model, and what it computes. */
export interface PlannedModel {
  readonly file: OnnxFile;
  readonly shape: DecoderShape;
  /** Positions that the graph has room for. */
  readonly context: number;
}

/**
 * What the file of a whole model will hold, and where. Reads no weights but factors of the rotary embedding.
 * @throws QuantscopeError UNSUPPORTED for a model whose graph cannot be built and for a choice that no operator expresses; REQUEST for
 * a choice of a tensor that the graph does not multiply with, or for more positions than the model has.
 */
export async function planOnnx(
  model: Model,
  choices: MatrixChoices,
  options: OnnxOptions = {},
): Promise<PlannedModel> {
  const { path } = model.description;
  const described = await describeDecoder(model, { length: options.context });
  const { shape, weights } = described;
  refuseOtherStates(shape.blocks, path);
  const context = contextOf(described, options.context, path);
  const name = options.transformersJs ? transformersJsPath(options.transformersJs) : 'model.onnx';
  const file = smallest(options.external, name, (places) => {
    const tensors = new GraphTensors(weights, choices, places, options, path);
    const graph = modelGraph(shape, tensors, { context, past: options.withoutPast !== true });
    const notes = tensors.describe(graph, notesOn(described, context));
    return { graph: graph.serialize(), tensors: tensors.listed, notes };
  });
  checkNames(choices, file, path);
  return { file, shape, context };
}

function checkNames(choices: MatrixChoices, { tensors }: OnnxFile, file: string): void {
  const known = new Set(tensors.map(({ name }) => name));
  const stranger = [...choices.keys()].find((name) => !known.has(name));
  if (stranger === undefined) return;
  const message = said`The graph multiplies with no matrix of this name.`;
  throw new QuantscopeError('REQUEST', message, { file, tensor: stranger });
}

function contextOf({ shape }: DescribedDecoder, context: number | undefined, file: string): number {
  if (context === undefined || context <= shape.contextLength) return context ?? shape.contextLength;
  const message = said`The model was made for ${shape.contextLength} positions; a graph of ${context} cannot be written.`;
  throw new QuantscopeError('REQUEST', message, { file });
}

function notesOn({ shortLength }: DescribedDecoder, context: number): string[] {
  if (shortLength === undefined) return [];
  return [
    context > shortLength
      ? said`The model rotates texts of more than ${shortLength} tokens by other factors than shorter ones (LongRoPE), and a graph holds one set: with ${context} positions it has those for texts of more than ${shortLength} tokens.`
      : said`The model rotates texts of at most ${shortLength} tokens by other factors than longer ones (LongRoPE), and a graph holds one set: with ${context} positions it has those for texts of at most ${shortLength} tokens.`,
  ];
}
