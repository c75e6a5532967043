import type { GraphBuilder, Value } from '../../graph/onnxWriter';
import type { Ops } from '../../graph/ops';
import type { ModelTensors } from '../../graph/transformer/modelGraph';
import type { Weights } from '../../graph/transformer/weights';
import { QuantscopeError } from '../../model/errors';
import type { OnnxTensor } from '../../protocol/exportOnnx';
import { embeddingStorage, floatStorage, type FloatDtype } from './floats';
import { matMulBnb4Storage } from './matMulBnb4';
import { matMulNBitsStorage, type AccuracyLevel } from './matMulNBits';
import { partBytes, type Places } from './places';
import { qdqStorage } from './qdq';
import { floatRows } from './rows';
import type { MatrixChoice, MatrixStorage } from './storage';

/** Matrices by their names in GGUF ("blk.0.attn_q.weight", "output.weight"); others stay floats. */
export type MatrixChoices = ReadonlyMap<string, MatrixChoice>;

export interface StorageOptions {
  /** Dtype of the weights that are not quantized; F32 when absent. */
  readonly floats?: FloatDtype | undefined;
  readonly accuracyLevel?: AccuracyLevel | undefined;
}

const embeddingName = 'token_embd.weight';
const outputName = 'output.weight';

/** The tensors of a model as those of a graph: each gets a place in a file, and work that fills it. */
export class GraphTensors implements ModelTensors {
  readonly listed: OnnxTensor[] = [];
  private readonly floats: FloatDtype;
  private embedding: Value | undefined;

  /** @param file names the model in errors. */
  constructor(
    private readonly weights: Weights,
    private readonly choices: MatrixChoices,
    private readonly places: Places,
    private readonly options: StorageOptions,
    private readonly file: string,
  ) {
    this.floats = options.floats ?? 'F32';
  }

  vector(graph: GraphBuilder, name: string, shape: readonly number[]): Value {
    const parts = [{ suffix: '', type: 'F32' as const, dims: shape }];
    this.list(name, name, shape, 'F32', 4 * elementsOf(shape));
    const [value] = this.places.add(graph, name, name, parts, async (write) => {
      const values = new Float32Array(elementsOf(shape));
      await this.weights.load(name, values);
      await write(0, 0, new Uint8Array(values.buffer));
    });
    return value!;
  }

  rows(ops: Ops, name: string, shape: readonly number[], ids: Value): Value {
    const table = this.embeddingTable(ops.graph, name, shape);
    const rows = ops.graph.node('Gather', [table, ids], { axis: 0 }, undefined, 'token_embd');
    return this.asFloat32(ops, rows);
  }

  product(ops: Ops, x: Value, name: string, shape: readonly number[]): Value {
    const size: readonly [number, number] = [shape[0]!, shape[1]!];
    const isTied = name === embeddingName;
    const stored = isTied ? outputName : name;
    const choice = this.choices.get(stored);
    if (isTied && !choice) return this.tiedProduct(ops, x, size);
    const storage = this.storageOf(stored, choice, size);
    const bytes = storage.parts.reduce((sum, part) => sum + partBytes(part), 0);
    this.list(stored, name, shape, storage.label, bytes);
    const values = this.places.add(ops.graph, stored, name, storage.parts, (write, signal) =>
      storage.fill(floatRows(this.weights, name, size, storage.rowMultiple, signal), write, signal),
    );
    return storage.product(ops, x, values, stored.replace('.weight', ''));
  }

  table(graph: GraphBuilder, name: string, dims: readonly number[], values: Float32Array): Value {
    const raw = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const parts = [{ suffix: '', type: 'F32' as const, dims }];
    return this.places.add(graph, name, name, parts, (write) => write(0, 0, raw))[0]!;
  }

  /** The output is the embedding: the same tensor is multiplied with. */
  private tiedProduct(ops: Ops, x: Value, shape: readonly number[]): Value {
    const table = this.asFloat32(ops, this.embeddingTable(ops.graph, embeddingName, shape));
    return ops.graph.node('MatMul', [x, ops.transpose(table, [1, 0])], {}, undefined, 'output');
  }

  private embeddingTable(graph: GraphBuilder, name: string, shape: readonly number[]): Value {
    if (this.embedding !== undefined) return this.embedding;
    const size: readonly [number, number] = [shape[0]!, shape[1]!];
    const { parts, fill } = embeddingStorage(this.floats, size);
    this.list(name, name, shape, this.floats, partBytes(parts[0]!));
    const [value] = this.places.add(graph, name, name, parts, (write, signal) =>
      fill(floatRows(this.weights, name, size, 1, signal), write, signal),
    );
    this.embedding = value!;
    return value!;
  }

  private asFloat32(ops: Ops, value: Value): Value {
    return this.floats === 'F32' ? value : ops.graph.node('Cast', [value], { to: 1 });
  }

  private storageOf(
    name: string,
    choice: MatrixChoice | undefined,
    size: readonly [number, number],
  ): MatrixStorage {
    if (!choice) return floatStorage(this.floats, size);
    try {
      if (choice.storage === 'qdq') return qdqStorage(choice, size);
      if (choice.storage === 'matmulbnb4') return matMulBnb4Storage(choice, size);
      return matMulNBitsStorage(choice, size, this.options.accuracyLevel);
    } catch (cause) {
      if (!(cause instanceof QuantscopeError)) throw cause;
      throw new QuantscopeError(cause.code, cause.message, { file: this.file, tensor: name }, cause);
    }
  }

  private list(name: string, from: string, shape: readonly number[], to: string, bytes: number): void {
    this.listed.push({ name, from: this.weights.typeOf(from), to, shape: [...shape], bytes });
  }
}

const elementsOf = (dims: readonly number[]): number => dims.reduce((product, size) => product * size, 1);
