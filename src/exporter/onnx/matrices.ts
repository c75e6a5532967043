import type { ConvertedTensor } from '../../architectures/convertedTensor';
import type { BlockShape } from '../../graph/transformer/blockShape';
import { ofExpert } from '../../graph/transformer/mixture';
import { describeDecoder } from '../../graph/transformer/openDecoder';
import type { Model } from '../../model/model';

/** A matrix that the graph of a model multiplies with. */
export interface OnnxMatrix {
  /** In GGUF's terms; choices go by it. One of merged experts has its number in it: "blk.0.ffn_up_exps.3.weight". */
  readonly name: string;
  /** As the model spells it; the first of several where the forward pass takes them together. */
  readonly source: string;
  /** Which of the experts that are merged in the source. */
  readonly expert?: number;
  /** `[out, in]`. */
  readonly shape: readonly [rows: number, columns: number];
}

/** What chooses experts stays in floats: a small error there sends tokens elsewhere. */
const router = /^ffn_gate_inp/;

/**
 * The matrices that choices can be made for, in the order of the forward pass: those of all blocks and their experts, but for routers,
 * and the output.
 * @throws QuantscopeError as `describeDecoder`.
 */
export async function onnxMatrices(model: Model): Promise<OnnxMatrix[]> {
  const { shape, weights } = await describeDecoder(model);
  const matricesOf = ({ index, tensors }: BlockShape): OnnxMatrix[] =>
    [...tensors].flatMap(([part, size]) =>
      router.test(part) ? [] : matrices(`blk.${index}.${part}`, size, weights.tensors),
    );
  const output: readonly number[] = [shape.vocabulary, shape.hiddenSize];
  return [
    ...shape.blocks.flatMap(matricesOf),
    ...matrices(shape.output, output, weights.tensors).map((matrix) => ({
      ...matrix,
      name: 'output.weight',
    })),
  ];
}

/** The matrices of a tensor: itself, or those of its experts; none of a vector. */
function matrices(
  name: string,
  size: readonly number[],
  tensors: ReadonlyMap<string, ConvertedTensor>,
): OnnxMatrix[] {
  const [rows = 0, columns = 0] = size.slice(-2);
  const shape = [rows, columns] as const;
  const pieces = tensors.get(name)?.pieces ?? [];
  if (size.length === 2) return [{ name, source: pieces[0]?.tensor.name ?? name, shape }];
  if (size.length !== 3) return [];
  return Array.from({ length: size[0]! }, (_, expert) => ({
    ...{ name: ofExpert(name, expert), shape },
    ...sourceOfRow(pieces, expert * rows),
  }));
}

/** The source that holds a row of a tensor of merged experts, and which expert of the source that is. */
function sourceOfRow(pieces: ConvertedTensor['pieces'], row: number): Pick<OnnxMatrix, 'source' | 'expert'> {
  let start = 0;
  for (const { tensor, firstRow, rows } of pieces) {
    if (row < start + rows) {
      const perExpert = tensor.shape.length > 2 ? tensor.shape.at(-2)! : Infinity;
      const expert = Math.floor((firstRow + row - start) / perExpert);
      return { source: tensor.name, ...(perExpert === Infinity ? {} : { expert }) };
    }
    start += rows;
  }
  throw new RangeError(`the tensor has ${start} rows, not ${row + 1}`);
}
