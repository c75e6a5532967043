import type { Scheme } from '../protocol/formats';
import { cancellable } from './cancellable';

/** Finite extremes of a whole tensor, from which per-tensor scales are computed. */
export interface TensorRange {
  readonly min: number;
  readonly max: number;
}

/**
 * What a scheme writes for some whole rows. `codes` holds one byte per 8-bit code, two 4-bit codes per byte (even
 * element in the low nibble; for NF4 in the high nibble, as bitsandbytes does), or ggml blocks. `scales` and `zeros` hold one value per
 * group, groups in row-major order; per-tensor groups write one value.
 */
export interface EncodedRows {
  readonly codes: Uint8Array;
  readonly scales?: Float32Array;
  /** Zero point (zero-point rule) or minimum (min-max rule). */
  readonly zeros?: Float32Array;
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

/** What `recodeRows` needs besides the rows. */
export interface RecodeOptions {
  /** One importance weight per column. */
  readonly importance?: Float32Array | undefined;
  /** Added to each weight. */
  readonly shift?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Decoding and encoding. */
export interface CodecFunctions {
  /** Decodes dtype (a safetensors or ggml name) into float32. Throws for an unknown dtype or lengths that do not match. */
  decode(dtype: string, source: Uint8Array, target: Float32Array, signal?: AbortSignal): Promise<void>;
  /** Dtypes that `decode` takes. */
  readonly codecs: readonly NativeCodec[];
  /**
   * Encodes whole rows. The result is the first weight that is not finite, if any; the content of `target` is then invalid. Rejects
   * if the format needs importance weights and there are none, or if lengths do not match.
   */
  encodeRows(
    scheme: Scheme,
    source: Float32Array,
    columns: number,
    range: TensorRange,
    target: EncodedRows & { readonly importance?: Float32Array | undefined },
    signal?: AbortSignal,
  ): Promise<BadWeight | undefined>;
  decodeRows(
    scheme: Scheme,
    source: EncodedRows,
    columns: number,
    target: Float32Array,
    signal?: AbortSignal,
  ): Promise<void>;
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
    scheme: Scheme,
    source: Float32Array,
    columns: number,
    min: number,
    max: number,
    codes: Uint8Array,
    scales: Float32Array | undefined,
    zeros: Float32Array | undefined,
    importance: Float32Array | undefined,
    cancel: Int32Array | undefined,
  ): Promise<BadWeight | undefined>;
  decodeRows(
    scheme: Scheme,
    codes: Uint8Array,
    scales: Float32Array | undefined,
    zeros: Float32Array | undefined,
    columns: number,
    target: Float32Array,
    cancel: Int32Array | undefined,
  ): Promise<void>;
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
}

export function codecFunctions(binding: CodecBinding): CodecFunctions {
  return {
    decode: (dtype, source, target, signal) =>
      cancellable(signal, (cancel) => binding.decode(dtype, source, target, cancel)),
    codecs: binding.codecs,
    encodeRows: (scheme, source, columns, { min, max }, { codes, scales, zeros, importance }, signal) =>
      cancellable(signal, (cancel) =>
        binding.encodeRows(scheme, source, columns, min, max, codes, scales, zeros, importance, cancel),
      ),
    decodeRows: (scheme, { codes, scales, zeros }, columns, target, signal) =>
      cancellable(signal, (cancel) =>
        binding.decodeRows(scheme, codes, scales, zeros, columns, target, cancel),
      ),
    recodeRows: (from, source, to, columns, target, { importance, shift = 0, signal } = {}) =>
      cancellable(signal, (cancel) =>
        binding.recodeRows(from, source, to, columns, shift, importance, target, cancel),
      ),
    checkBlocks: (dtype, source, signal) =>
      cancellable(signal, (cancel) => binding.checkBlocks(dtype, source, cancel)),
  };
}
