import { readSlab, slabsOf } from '../../architectures/convertedRows';
import {
  changesWeights,
  changeWeights,
  sourceDtype,
  sourcesOf,
  type ConvertedTensor,
} from '../../architectures/convertedTensor';
import type { GgufView } from '../../architectures/ggufView';
import { isRemote } from '../../model/remote/address';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import { matrixOf } from '../../model/rows';
import { loadNative, type TensorRange } from '../../native';
import { fakeQuantize } from '../../quant/fakeQuantize';
import type { QuantFormat } from '../../quant/format';
import type { Tensors } from './decoderShape';
import { SlabRoom } from './slabRoom';
import { byExpert, inSourceOrder, rowsOf, type ExpertRows, type RowSpan } from './weightRows';
import { said } from '../../protocol/said';

/** What a tensor becomes before it is used. */
export interface WeightChange {
  readonly format: QuantFormat;
  /** One weight per column, expert after expert. */
  readonly importance?: Float32Array;
  /**
   * Optimised codes: replaces rows of an expert, from one of its rows on, in place, or says that the format's encoder is to find their codes.
   */
  readonly replace?: (expert: number, firstRow: number, rows: Float32Array) => Promise<boolean>;
}

/** Changes by the tensors' names in GGUF; other tensors stay unchanged. */
export type WeightChanges = ReadonlyMap<string, WeightChange>;

/** Where ONNX Runtime can read rows of a matrix itself: one part below the other. */
export interface StoredRows {
  readonly dtype: 'F32' | 'F16' | 'BF16';
  readonly parts: readonly {
    readonly file: string;
    readonly offset: number;
    readonly bytes: number;
    readonly rows: number;
  }[];
}

/** What products with a matrix are multiplied by in GGUF files, one number for the matrix or for that of each expert (NVFP4). */
function factorsOf(tensors: Tensors, name: string): ConvertedTensor | undefined {
  // That of a router is of its input (Gemma 4).
  if (name.endsWith('.ffn_gate_inp.weight')) return undefined;
  return name.endsWith('.weight') ? tensors.get(name.replace(/weight$/, 'scale')) : undefined;
}

/** The weights of a model in float32, each tensor unchanged or as a format stores it. */
export class Weights {
  readonly tensors: Tensors;
  /**
   * Whether rows of queries and keys stay in the order of a checkpoint, in which halves of a head rotate together. Encoders quantize rows one by
   * one, so that their order changes nothing else.
   */
  readonly halvesRotate: boolean;
  /** Of slabs that are not being read. */
  private readonly rooms: SlabRoom[] = [];
  private readonly changes: Map<string, WeightChange>;
  private readonly ranges = new Map<string, Promise<TensorRange>>();

  constructor(
    private readonly model: Model,
    private readonly view: GgufView,
    changes: WeightChanges = new Map(),
  ) {
    this.changes = new Map(changes);
    this.halvesRotate = view.tensors.some(({ unit }) => unit?.order === 'interleave');
    this.tensors = new Map(view.tensors.map((tensor) => [tensor.name, inSourceOrder(tensor)]));
  }

  /** Rows of a unit of a tensor whose halves GGUF interleaves; undefined for one whose rows have one order everywhere. */
  interleaved(name: string): number | undefined {
    const unit = this.view.tensors.find((tensor) => tensor.name === name)?.unit;
    return unit?.order === 'interleave' ? unit.rows : undefined;
  }

  /** The type that a tensor's weights are stored in, by the change or as they are. */
  typeOf(name: string): string {
    const change = this.changes.get(name);
    if (change) return change.format.id;
    const tensor = this.tensors.get(name);
    return (tensor && sourceDtype(tensor)) ?? 'F32';
  }

  /** Changes a tensor, or makes it what it is in the model, for what is loaded from now on. */
  replace(name: string, change: WeightChange | undefined): void {
    if (change) this.changes.set(name, change);
    else this.changes.delete(name);
  }

  /** Rows of a tensor, or all of it, into `target`; memory beside it is bounded by a slab. */
  async load(
    name: string,
    target: Float32Array,
    { rows, signal }: { rows?: RowSpan; signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    const computed = this.view.computed.find(({ to }) => to === name);
    if (computed) return target.set(computed.values);
    const tensor = this.tensor(name);
    await this.decodeRows(tensor, rows, target, signal);
    const first = rows?.first ?? 0;
    const change = this.changes.get(name);
    if (change) await this.change(tensor, change, first, target, signal);
    const factors = factorsOf(this.tensors, name);
    if (factors) await this.multiply(tensor, factors, first, target, signal);
  }

  private async change(
    tensor: ConvertedTensor,
    change: WeightChange,
    first: number,
    target: Float32Array,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { name } = tensor;
    const { columns } = matrixOf(tensor.shape);
    const range = change.format.needsRange ? await this.rangeOf(name, signal) : noRange;
    for (const part of byExpert(tensor, first, target.length / columns, change)) {
      const values = target.subarray(
        (part.first - first) * columns,
        (part.first - first + part.count) * columns,
      );
      await this.quantize(name, change, values, columns, range, part, signal);
    }
  }

  /** Multiplies rows by the factor of their matrix, or of that of their expert. */
  private async multiply(
    { shape }: ConvertedTensor,
    factors: ConvertedTensor,
    first: number,
    target: Float32Array,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { rows, columns } = matrixOf(shape);
    const values = new Float32Array(factors.shape.reduce((product, size) => product * size, 1));
    await this.decode(factors, values, signal);
    const perFactor = rows / values.length;
    for (let at = 0; at < target.length; at++)
      target[at]! *= values[Math.floor((first + Math.floor(at / columns)) / perFactor)]!;
  }

  /** Adds the rows of a matrix that `rows` lacks, by their index. */
  async lookUp(
    name: string,
    ids: Iterable<number>,
    rows: Map<number, Float32Array>,
    signal?: AbortSignal,
  ): Promise<void> {
    const { columns } = matrixOf(this.tensor(name).shape);
    for (const id of ids) {
      if (rows.has(id)) continue;
      const row = new Float32Array(columns);
      await this.load(name, row, { rows: { first: id, count: 1 }, signal });
      rows.set(id, row);
    }
  }

  /** Where the rows lie in files of 16- or 32-bit floats; undefined when they must be decoded, moved, changed or fetched. */
  stored(name: string, rows?: RowSpan): StoredRows | undefined {
    const tensor = this.tensors.get(name);
    if (!tensor || this.changes.has(name) || tensor.unit || changesWeights(tensor)) return undefined;
    if (factorsOf(this.tensors, name)) return undefined;
    const { pieces, columns, shape } = rows ? rowsOf(tensor, rows) : tensor;
    // Rows of the sources may be longer or shorter than those of the tensor: a vector that becomes a matrix.
    const perRow = matrixOf(shape).columns / columns;
    if (pieces.some((piece) => piece.rows % perRow !== 0)) return undefined;
    if (pieces.some(({ tensor: { strides }, step }) => strides ?? step)) return undefined;
    const dtypes = new Set(pieces.map((piece) => piece.tensor.dtype));
    const [dtype] = dtypes;
    if (dtypes.size !== 1 || (dtype !== 'F32' && dtype !== 'F16' && dtype !== 'BF16')) return undefined;
    const width = dtype === 'F32' ? 4 : 2;
    if (pieces.some((piece) => piece.tensor.offset % width !== 0)) return undefined;
    const rowBytes = columns * width;
    if (pieces.some((piece) => isRemote(piece.tensor.file))) return undefined;
    return {
      dtype,
      parts: pieces.map((piece) => ({
        file: piece.tensor.file,
        offset: piece.tensor.offset + piece.firstRow * rowBytes,
        ...{ bytes: piece.rows * rowBytes, rows: piece.rows / perRow },
      })),
    };
  }

  private tensor(name: string): ConvertedTensor {
    const tensor = this.tensors.get(name);
    if (tensor) return tensor;
    const { path } = this.model.description;
    throw new QuantscopeError('MODEL_FILE', said`The model lacks this tensor.`, { file: path, tensor: name });
  }

  /** Rows of a transposed unit are read with all of it. */
  private async decodeRows(
    tensor: ConvertedTensor,
    rows: RowSpan | undefined,
    target: Float32Array,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (!rows) return this.decode(tensor, target, signal);
    const step = tensor.unit?.order === 'transpose' ? tensor.columns : 1;
    const first = rows.first - (rows.first % step);
    const count = step * Math.ceil((rows.first + rows.count - first) / step);
    if (first === rows.first && count === rows.count)
      return this.decode(rowsOf(tensor, rows), target, signal);
    const { columns } = matrixOf(tensor.shape);
    const whole = new Float32Array(count * columns);
    await this.decode(rowsOf(tensor, { first, count }), whole, signal);
    const start = (rows.first - first) * columns;
    target.set(whole.subarray(start, start + rows.count * columns));
  }

  private async decode(
    tensor: ConvertedTensor,
    target: Float32Array,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    for (const source of sourcesOf(tensor)) {
      if (source.readable) continue;
      const message = source.unreadableReason ?? said`The tensor cannot be read.`;
      throw new QuantscopeError('UNSUPPORTED', message, { file: source.file, tensor: source.name });
    }
    const room = this.rooms.pop() ?? new SlabRoom();
    for (const slab of slabsOf(tensor)) {
      const place = room.of(slab, tensor.unit !== undefined);
      const bytes = await readSlab(this.model, tensor, slab, { ...place, signal });
      const values = target.subarray(slab.firstWeight, slab.firstWeight + slab.weights);
      await loadNative().decode(slab.dtype, bytes, values, signal);
      changeWeights(tensor, values, slab.firstWeight);
    }
    this.rooms.push(room);
  }

  private async quantize(
    name: string,
    { format, replace }: WeightChange,
    values: Float32Array,
    columns: number,
    range: TensorRange,
    { expert, firstOfExpert, importance }: ExpertRows,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    try {
      if (await replace?.(expert, firstOfExpert, values)) return;
      await fakeQuantize(format, values, columns, range, { importance, signal });
    } catch (cause) {
      if (cause instanceof QuantscopeError) throw cause;
      const reason = cause instanceof Error ? cause.message : String(cause);
      const { path } = this.model.description;
      const message = said`The tensor cannot be quantized to ${format.id}: ${reason}`;
      throw new QuantscopeError('MODEL_FILE', message, { file: path, tensor: name }, cause);
    }
  }

  private rangeOf(name: string, signal: AbortSignal | undefined): Promise<TensorRange> {
    const known = this.ranges.get(name) ?? this.measureRange(name, signal);
    this.ranges.set(name, known);
    known.catch(() => this.ranges.delete(name)); // a cancelled pass is made again
    return known;
  }

  private async measureRange(name: string, signal: AbortSignal | undefined): Promise<TensorRange> {
    const tensor = this.tensor(name);
    const { rows, columns } = matrixOf(tensor.shape);
    const perSlab = Math.max(1, Math.floor(rangeSlab / columns));
    const range = { ...noRange };
    for (let first = 0; first < rows; first += perSlab) {
      const count = Math.min(perSlab, rows - first);
      const values = new Float32Array(count * columns);
      await this.decodeRows(tensor, { first, count }, values, signal);
      for (const value of values) {
        if (value < range.min) range.min = value;
        if (value > range.max) range.max = value;
      }
    }
    return range;
  }
}

/** Weights per slab of the pass that finds a tensor's extremes. */
const rangeSlab = 1 << 22;
const noRange: TensorRange = { min: Infinity, max: -Infinity };
