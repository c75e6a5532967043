import { GraphBuilder, type Value } from '../onnxWriter';
import { Ops } from '../ops';
import { denseBlock, mixtureBlock } from './blockGraph';
import type { BlockShape } from './blockShape';
import type { DecoderShape } from './decoderShape';
import { GraphParts } from './graphParts';
import { TextSequence } from './sequence';

/** How the tensors of a model become part of its graph. Names are those of GGUF. */
export interface ModelTensors {
  /**
   * A vector, or the embedding `[vocabulary, hidden]`, in float32.
   * @param expert which of the vectors that are merged in the tensor.
   */
  vector(graph: GraphBuilder, name: string, shape: readonly number[], expert?: number): Value;
  /** Rows of the embedding, in float32: `ids` `[batch, sequence]` → `[batch · sequence, hidden]`. */
  rows(ops: Ops, name: string, shape: readonly number[], ids: Value): Value;
  /**
   * x `[n, in]` times a matrix `[out, in]`: `[n, out]`.
   * @param expert which of the matrices that are merged in the tensor: of experts, or of heads.
   */
  product(ops: Ops, x: Value, name: string, shape: readonly number[], expert?: number): Value;
  /** The same for the output matrix, which may be the embedding. */
  output(ops: Ops, x: Value, name: string, shape: readonly number[]): Value;
  /** A table that follows from the configuration. */
  table(graph: GraphBuilder, name: string, dims: readonly number[], values: Float32Array): Value;
}

export interface ModelGraphOptions {
  /** Positions are below it. */
  readonly context: number;
  /** Keys and values of earlier tokens are inputs, and those of all tokens outputs. */
  readonly past: boolean;
}

/**
 * A whole model of operators of the ONNX standard: `input_ids`, `attention_mask` and `position_ids` (int64) → `logits` `[batch_size,
 * sequence_length, vocabulary]`; inputs and outputs of keys and values as `TextSequence` has them.
 */
export function modelGraph(
  shape: DecoderShape,
  tensors: ModelTensors,
  { context, past }: ModelGraphOptions,
): GraphBuilder {
  const graph = new GraphBuilder(shape.architecture);
  const ops = new Ops(graph, 'standard');
  const ids = graph.input('input_ids', ['batch_size', 'sequence_length'], 'I64');
  const table = (name: string, dims: readonly number[], values: Float32Array): Value =>
    tensors.table(graph, name, dims, values);
  const sequence = new TextSequence(ops, { ids, context, past, table });
  const partsOf = (prefix: string, of: BlockShape['tensors'], expert?: number): GraphParts =>
    new GraphParts(
      ops,
      of,
      shape.epsilon,
      {
        bind: (_, part, dims) => tensors.vector(graph, prefix + part, dims, expert),
        product: (_, x, part, dims, member) => tensors.product(ops, x, prefix + part, dims, member ?? expert),
      },
      shape.centredNorms,
    );
  const afterBlock = (x: Value, block: BlockShape): Value => {
    const { experts } = block;
    const prefix = `blk.${block.index}.`;
    const parts = partsOf(prefix, block.tensors);
    if (!experts) return denseBlock(parts, block, sequence, x);
    return mixtureBlock(parts, { ...block, experts }, sequence, x, (expert, of) =>
      partsOf(prefix, of, expert),
    );
  };
  const size = [shape.vocabulary, shape.hiddenSize];
  const embedded = tensors.rows(ops, 'token_embd.weight', size, ids);
  const first = shape.embeddingScale === 1 ? embedded : ops.mul(embedded, shape.embeddingScale);
  const states = shape.blocks.reduce(afterBlock, first);
  const last = partsOf('', shape.lastNorm).norm(states, shape.lastNormName);
  const logits = tensors.output(ops, last, shape.output, size);
  graph.output('logits', sequence.separate(ops.logits(logits, shape), [shape.vocabulary]), [
    'batch_size',
    'sequence_length',
    shape.vocabulary,
  ]);
  sequence.addPresents();
  return graph;
}
