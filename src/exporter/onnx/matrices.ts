import { sourcesOf } from '../../architectures/convertedTensor';
import { describeDecoder } from '../../graph/transformer/openDecoder';
import type { Model } from '../../model/model';

/** A matrix that the graph of a model multiplies with. */
export interface OnnxMatrix {
  /** In GGUF's terms; choices go by it. */
  readonly name: string;
  /** As the model spells it; the first of several where the forward pass takes them together. */
  readonly source: string;
  /** `[out, in]`. */
  readonly shape: readonly [rows: number, columns: number];
}

/**
 * The matrices that choices can be made for, in the order of the forward pass: those of all blocks, and the output.
 * @throws QuantscopeError as `describeDecoder`.
 */
export async function onnxMatrices(model: Model): Promise<OnnxMatrix[]> {
  const { shape, weights } = await describeDecoder(model);
  const matrix = (name: string, tensor: string, [rows = 0, columns = 0]: readonly number[]): OnnxMatrix => {
    const [source] = sourcesOf(weights.tensors.get(tensor)!);
    return { name, source: source?.name ?? tensor, shape: [rows, columns] };
  };
  const ofBlocks = shape.blocks.flatMap(({ index, tensors }) =>
    [...tensors]
      .filter(([, size]) => size.length === 2)
      .map(([part, size]) => matrix(`blk.${index}.${part}`, `blk.${index}.${part}`, size)),
  );
  return [...ofBlocks, matrix('output.weight', shape.output, [shape.vocabulary, shape.hiddenSize])];
}
