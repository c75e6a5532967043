import { cancellable } from './cancellable';

/** Finite extremes of a whole tensor, from which per-tensor scales are computed. */
export interface TensorRange {
  readonly min: number;
  readonly max: number;
}

/** A dtype that the addon decodes, and how it encodes it. */
export interface NativeCodec {
  readonly name: string;
  /** Weights per block. */
  readonly block: number;
  /** Bytes per block. */
  readonly bytes: number;
  readonly encodes: boolean;
  /** Whether the encoder takes importance weights (an imatrix). */
  readonly importance: 'unused' | 'optional' | 'required';
}

/** Why weights cannot be measured or written. */
export interface BadWeight {
  readonly kind: 'NaN' | 'infinite' | 'too large' | 'in block';
  /** Index of the weight (the first of its block), from the start of the rows. */
  readonly index: number;
}

/** What `encodeRows` needs besides the rows. */
export interface EncodeOptions {
  /** One importance weight per column. */
  readonly importance?: Float32Array | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What `recodeRows` needs besides the rows. */
export interface RecodeOptions extends EncodeOptions {
  /** Added to each weight. */
  readonly shift?: number | undefined;
}

/** Decoding and encoding. */
export interface CodecFunctions {
  /** Decodes dtype (a safetensors or ggml name) into float32. Throws for an unknown dtype or lengths that do not match. */
  decode(dtype: string, source: Uint8Array, target: Float32Array, signal?: AbortSignal): Promise<void>;
  /** Dtypes that `decode` takes. */
  readonly codecs: readonly NativeCodec[];
  /**
   * Encodes whole rows in a ggml type. The result is the first weight that is not finite, if any; `codes` are then invalid. Rejects
   * if the type needs importance weights and there are none, or if lengths do not match.
   */
  encodeRows(
    type: string,
    source: Float32Array,
    columns: number,
    codes: Uint8Array,
    options?: EncodeOptions,
  ): Promise<BadWeight | undefined>;
  /**
   * Decodes whole rows of one dtype and encodes them in a ggml type (F32 too), in a fused pass. The result is the
   * first weight that is not finite or is too large for the type's scales, if any; the content of `target` is then invalid.
   */
  recodeRows(
    from: string,
    source: Uint8Array,
    to: string,
    columns: number,
    target: Uint8Array,
    options?: RecodeOptions,
  ): Promise<BadWeight | undefined>;
  /** The first weight of the first block that does not decode to finite numbers, for types whose blocks can hold others. */
  checkBlocks(dtype: string, source: Uint8Array, signal?: AbortSignal): Promise<BadWeight | undefined>;
  /** How a ggml type stores weights. @throws Error for a type without blocks. */
  levelLayout(type: string): LevelLayout;
  /** Levels, scales, zeros and factors of whole blocks. Rejects if lengths do not match the type's layout. */
  readLevels(type: string, blocks: Uint8Array, target: LevelTarget, signal?: AbortSignal): Promise<void>;
}

/** A ggml type whose weights are level · scale + zero, with the scale and zero of their group. */
export interface LevelLayout {
  /** Per block, and per group. */
  readonly weights: number;
  readonly group: number;
  /** Whether groups have zeros, and whether scales and zeros are integers times numbers of their block. */
  readonly hasZeros: boolean;
  readonly hasFactors: boolean;
  /** All levels that codes can stand for, ascending. */
  readonly levels: Float32Array;
}

/** Where `readLevels` puts what it finds: one level for each weight, in the order of the weights. */
export interface LevelTarget {
  readonly levels: Float32Array;
  readonly scales: Float32Array;
  /** Present for types with zeros. */
  readonly zeros?: Float32Array | undefined;
  /** Present for types with factors: that of scales and that of zeros, for each block. */
  readonly factors?: Float32Array | undefined;
}

/** The same in the addon: `cancel` is an Int32Array whose first element becomes 1 to cancel. */
export interface CodecBinding {
  decode(
    dtype: string,
    source: Uint8Array,
    target: Float32Array,
    cancel: Int32Array | undefined,
  ): Promise<void>;
  readonly codecs: readonly NativeCodec[];
  encodeRows(
    type: string,
    source: Float32Array,
    columns: number,
    importance: Float32Array | undefined,
    codes: Uint8Array,
    cancel: Int32Array | undefined,
  ): Promise<BadWeight | undefined>;
  recodeRows(
    from: string,
    source: Uint8Array,
    to: string,
    columns: number,
    shift: number,
    importance: Float32Array | undefined,
    target: Uint8Array,
    cancel: Int32Array | undefined,
  ): Promise<BadWeight | undefined>;
  checkBlocks(
    dtype: string,
    source: Uint8Array,
    cancel: Int32Array | undefined,
  ): Promise<BadWeight | undefined>;
  levelLayout(type: string): LevelLayout;
  readLevels(
    type: string,
    blocks: Uint8Array,
    levels: Float32Array,
    scales: Float32Array,
    zeros: Float32Array | undefined,
    factors: Float32Array | undefined,
    cancel: Int32Array | undefined,
  ): Promise<void>;
}

export function codecFunctions(binding: CodecBinding): CodecFunctions {
  return {
    decode: (dtype, source, target, signal) =>
      cancellable(signal, (cancel) => binding.decode(dtype, source, target, cancel)),
    codecs: binding.codecs,
    encodeRows: (type, source, columns, codes, { importance, signal } = {}) =>
      cancellable(signal, (cancel) => binding.encodeRows(type, source, columns, importance, codes, cancel)),
    recodeRows: (from, source, to, columns, target, { importance, shift = 0, signal } = {}) =>
      cancellable(signal, (cancel) =>
        binding.recodeRows(from, source, to, columns, shift, importance, target, cancel),
      ),
    checkBlocks: (dtype, source, signal) =>
      cancellable(signal, (cancel) => binding.checkBlocks(dtype, source, cancel)),
    levelLayout: (type) => binding.levelLayout(type),
    readLevels: (type, blocks, { levels, scales, zeros, factors }, signal) =>
      cancellable(signal, (cancel) =>
        binding.readLevels(type, blocks, levels, scales, zeros, factors, cancel),
      ),
  };
}
