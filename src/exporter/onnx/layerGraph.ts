import { unchanged } from '../../architectures/convertedTensor';
import { GraphBuilder } from '../../graph/onnxWriter';
import { Ops } from '../../graph/ops';
import { Weights } from '../../graph/transformer/weights';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import { GraphTensors, type MatrixChoices } from './graphTensors';
import { smallest, type OnnxFile } from './onnxFile';
import type { StorageOptions } from './storages';
import { said } from '../../protocol/said';

export interface LayerOptions extends StorageOptions {
  /** Weights in a file of their own; otherwise only where they do not fit into one of 2 GB. */
  readonly external?: boolean | undefined;
}

/**
 * A model of one matrix of a checkpoint or a GGUF file: `x` `[rows, in]` → `y` `[rows, out]`.
 * @param name of the tensor, as the model spells it; choices go by the same name.
 * @throws QuantscopeError REQUEST for a tensor that is not a matrix; UNSUPPORTED for a choice that no operator expresses.
 */
export function layerFile(
  model: Model,
  name: string,
  choices: MatrixChoices,
  options: LayerOptions = {},
): OnnxFile {
  const tensor = model.tensor(name);
  const file = model.description.path;
  const [rows, columns] = tensor.shape;
  if (rows === undefined || columns === undefined || tensor.shape.length !== 2 || tensor.elements === 0) {
    const message = said`It has the shape [${tensor.shape.join(', ')}] and is not a matrix.`;
    throw new QuantscopeError('REQUEST', message, { file, tensor: name });
  }
  const weights = new Weights(model, {
    ...{ architecture: '', tensors: [unchanged(tensor)], computed: [], keyValues: [], notes: [] },
    ...{ value: () => undefined, list: () => undefined },
  });
  const graphName = `${name.replaceAll(/[^\w.-]/g, '_')}.onnx`;
  return smallest(options.external, graphName, (places) => {
    const tensors = new GraphTensors(weights, choices, places, options, file);
    const graph = new GraphBuilder(name);
    const x = graph.input('x', ['rows', columns]);
    graph.output('y', tensors.product(new Ops(graph, 'standard'), x, name, [rows, columns]), ['rows', rows]);
    const notes = tensors.describe(graph);
    return { graph: graph.serialize(), tensors: tensors.listed, notes };
  });
}
