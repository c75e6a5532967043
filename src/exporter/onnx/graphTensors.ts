import type { GraphBuilder, Value } from '../../graph/onnxWriter';
import type { Ops } from '../../graph/ops';
import { ofExpert } from '../../graph/transformer/mixture';
import type { ModelTensors } from '../../graph/transformer/modelGraph';
import type { Weights } from '../../graph/transformer/weights';
import type { OnnxTensor } from '../../protocol/exportOnnx';
import { roundTo } from './activations';
import type { ActivationGrid } from './calibrationRanges';
import { asFloat32, floatStorage, type FloatDtype } from './floats';
import { partBytes, type Places } from './places';
import { MatrixRows } from './rows';
import type { MatrixChoice } from './storage';
import { storageOf, type StorageOptions } from './storages';

/** Matrices by their names in GGUF ("blk.0.attn_q.weight", "output.weight"); others stay floats. */
export type MatrixChoices = ReadonlyMap<string, MatrixChoice>;

const embeddingName = 'token_embd.weight';
const outputName = 'output.weight';

interface StoredMatrix {
  /** Name in the graph; choices go by it. */
  readonly stored: string;
  /** Name of the tensor. */
  readonly name: string;
  readonly shape: readonly number[];
  /** Which of those that are merged in the tensor. */
  readonly expert?: number | undefined;
}

/** The tensors of a model as those of a graph: each gets a place in a file, and work that fills it. */
export class GraphTensors implements ModelTensors {
  readonly listed: OnnxTensor[] = [];
  /** What users of the file should know of how weights are stored, as sentences. */
  private readonly notes = new Set<string>();
  private readonly floats: FloatDtype;
  private readonly roundings = new Map<string, Value>();
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

  vector(graph: GraphBuilder, name: string, shape: readonly number[], expert?: number): Value {
    const parts = [{ suffix: '', type: 'F32' as const, dims: shape }];
    const stored = expert === undefined ? name : ofExpert(name, expert);
    this.list(stored, name, shape, 'F32', 4 * elementsOf(shape));
    const [value] = this.places.add(graph, stored, stored, parts, async (write) => {
      const values = new Float32Array(elementsOf(shape));
      await this.weights.load(
        name,
        values,
        expert === undefined ? {} : { rows: { first: expert, count: 1 } },
      );
      await write(0, 0, new Uint8Array(values.buffer));
    });
    return value!;
  }

  rows(ops: Ops, name: string, shape: readonly number[], ids: Value): Value {
    const table = this.embeddingTable(ops.graph, name, shape);
    const rows = ops.graph.node('Gather', [table, ids], { axis: 0 }, undefined, 'token_embd');
    return ops.reshape(asFloat32(ops, rows, this.floats), [-1, shape[1]!]);
  }

  product(ops: Ops, x: Value, name: string, shape: readonly number[], expert?: number): Value {
    const stored = expert === undefined ? name : ofExpert(name, expert);
    return this.storedProduct(ops, x, { stored, name, shape, expert });
  }

  output(ops: Ops, x: Value, name: string, shape: readonly number[]): Value {
    const isTied = name === embeddingName && !this.choices.has(outputName);
    return isTied
      ? this.tiedProduct(ops, x, shape)
      : this.storedProduct(ops, x, { stored: outputName, name, shape });
  }

  private storedProduct(ops: Ops, x: Value, { stored, name, shape, expert = 0 }: StoredMatrix): Value {
    const size: readonly [number, number] = [shape[0]!, shape[1]!];
    const choice = this.choices.get(stored);
    const storage = storageOf(choice, size, this.options, { file: this.file, tensor: stored });
    const bytes = storage.parts.reduce((sum, part) => sum + partBytes(part), 0);
    this.list(stored, name, shape, storage.label, bytes);
    if (storage.note !== undefined) this.notes.add(storage.note);
    const matrix = new MatrixRows(this.weights, name, size, expert * size[0]);
    const values = this.places.add(ops.graph, stored, name, storage.parts, (write, signal) =>
      storage.fill(matrix, write, signal),
    );
    const label = stored.replace('.weight', '');
    return storage.product(ops, this.rounded(ops, x, choice?.input, `${label}/input`), values, label);
  }

  /**
   * States in the file how weights are stored and what users should know, once all tensors are added.
   * @param others further sentences.
   * @returns all sentences.
   */
  describe(graph: GraphBuilder, others: readonly string[] = []): string[] {
    const notes = [...this.notes, ...others];
    graph.metadata('quantscope.weights', [...new Set(this.listed.map(({ to }) => to))].sort().join('; '));
    if (notes.length > 0) graph.metadata('quantscope.notes', notes.join('\n'));
    return notes;
  }

  table(graph: GraphBuilder, name: string, dims: readonly number[], values: Float32Array): Value {
    const raw = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const parts = [{ suffix: '', type: 'F32' as const, dims }];
    return this.places.add(graph, name, name, parts, (write) => write(0, 0, raw))[0]!;
  }

  /** The output is the embedding: the same tensor is multiplied with. */
  private tiedProduct(ops: Ops, x: Value, shape: readonly number[]): Value {
    const table = this.embeddingTable(ops.graph, embeddingName, shape);
    return floatStorage(this.floats, [shape[0]!, shape[1]!]).product(ops, x, [table], 'output');
  }

  private embeddingTable(graph: GraphBuilder, name: string, shape: readonly number[]): Value {
    if (this.embedding !== undefined) return this.embedding;
    const size: readonly [number, number] = [shape[0]!, shape[1]!];
    const storage = floatStorage(this.floats, size);
    this.list(name, name, shape, this.floats, partBytes(storage.parts[0]!));
    const [value] = this.places.add(graph, name, name, storage.parts, (write, signal) =>
      storage.fill(new MatrixRows(this.weights, name, size), write, signal),
    );
    this.embedding = value!;
    return value!;
  }

  /** A value rounded to a grid; matrices that share an input and its grid share the nodes. */
  private rounded(ops: Ops, x: Value, grid: ActivationGrid | undefined, name: string): Value {
    if (!grid) return x;
    const key = `${x} ${grid.type} ${grid.scale} ${grid.zero}`;
    const value = this.roundings.get(key) ?? roundTo(ops, x, grid, name);
    this.roundings.set(key, value);
    return value;
  }

  private list(name: string, from: string, shape: readonly number[], to: string, bytes: number): void {
    this.listed.push({ name, from: this.weights.typeOf(from), to, shape: [...shape], bytes });
  }
}

const elementsOf = (dims: readonly number[]): number => dims.reduce((product, size) => product * size, 1);
