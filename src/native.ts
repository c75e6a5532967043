import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { QuantscopeError, throwIfCancelled } from './model/errors';
import type { Scheme } from './protocol/formats';

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

/** Extremes of the finite ones of some weights, and the first one that is not finite; +∞ and −∞ if none is finite. */
export interface MeasuredRange extends TensorRange {
  readonly bad: BadWeight | undefined;
}

/** Error sums of some rows; invalid if there is a `bad` weight, the first that is not finite. */
export interface MeasuredRows extends ErrorSums {
  readonly bad: BadWeight | undefined;
}

/** Float64 sums over pairs of weights; everything in ErrorMetrics follows from them. */
export interface ErrorSums {
  readonly count: number;
  /** Σ x². */
  readonly source: number;
  /** Σ x'². */
  readonly decoded: number;
  /** Σ (x − x')². */
  readonly error: number;
  readonly maxError: number;
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

/** What `measureRows` needs besides the rows. */
export interface MeasureOptions {
  /** One importance weight per column: non-negative, as in an imatrix. */
  readonly importance?: Float32Array | undefined;
  /** The histogram of the decoded weights is added to these equal-width bins over the range. */
  readonly counts?: Float64Array | undefined;
  readonly signal?: AbortSignal | undefined;
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

export interface ScanResult {
  readonly count: number;
  readonly finite: number;
  readonly min: number;
  readonly max: number;
  readonly absMax: number;
  readonly mean: number;
  readonly standardDeviation: number;
  readonly kurtosis: number;
  readonly zeros: number;
  readonly nans: number;
  readonly infinities: number;
  /** One value per requested percentile, exact (nearest rank). */
  readonly percentiles: Float64Array;
  /** Equal-width bins over [min, max]. */
  readonly histogram: Float64Array;
  /** max |w| of each row and each column (empty for more than 4,194,304 of them) and of each cell of the map (row-major). */
  readonly rowAbsMax: Float32Array;
  readonly columnAbsMax: Float32Array;
  readonly cellAbsMax: Float32Array;
}

export interface ScanOptions {
  readonly rows: number;
  readonly columns: number;
  readonly cellRows: number;
  readonly cellColumns: number;
  readonly bins: number;
  /** Percents in (0, 100). */
  readonly percentiles: readonly number[];
}

/**
 * Statistics of a matrix. All weights, row-major, go through `first` in pieces of any length; then `turn` returns whether they
 * must go through `second` as well. Values of at most 10 bits of mantissa need not (F16, BF16, 8-bit floats, also stored as F32).
 */
export interface Scan {
  first(values: Float32Array, signal?: AbortSignal): Promise<void>;
  turn(): boolean;
  second(values: Float32Array, signal?: AbortSignal): Promise<void>;
  finish(): ScanResult;
}

/** The native addon. All long operations run on its thread pool and never block the event loop. */
export interface Native {
  /** Instruction set in use: "AVX-512", "AVX2", "NEON", "scalar". Results do not depend on it. */
  readonly simd: string;
  /** Those that this processor supports, the widest first. */
  readonly simdPaths: readonly string[];
  /** Uses another instruction set, for tests and benchmarks. Throws for one that the processor does not have. */
  setSimd(name: string): void;
  setThreads(threads: number): void;
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
  /** Extremes of blocks of `dtype`, decoded a few thousand weights at a time. */
  measureRange(dtype: string, source: Uint8Array, signal?: AbortSignal): Promise<MeasuredRange>;
  /**
   * Decodes whole rows of `dtype`, encodes and decodes them in the scheme, and sums the errors: a fused pass that holds a
   * few thousand weights per thread at a time.
   */
  measureRows(
    dtype: string,
    source: Uint8Array,
    columns: number,
    scheme: Scheme,
    range: TensorRange,
    options?: MeasureOptions,
  ): Promise<MeasuredRows>;
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
  errorSums(source: Float32Array, decoded: Float32Array): Promise<ErrorSums>;
  /** Equal-width bins over [min, max]; values outside fall into the first and last bin. */
  histogram(values: Float32Array, min: number, max: number, bins: number): Promise<Float64Array>;
  /** @throws Error for a matrix without weights or with more than 2^53, or a map of more than 2^24 cells. */
  createScan(options: ScanOptions): Scan;
  /**
   * Adds a slice of the vocabulary to the sums over logits from which loss and KL divergence follow
   * (src/evaluation/divergence.ts): one pass over the slices of the vocabulary, in order. After a cancelled call, `sums` is invalid.
   * @param logits [rows, columns]: tokens `firstColumn` to `firstColumn + columns` of the vocabulary.
   * @param base those of the model to compare with, of the same shape, or undefined; in all slices or in none.
   * @param firstColumn a slice that begins at token 0 resets the sums.
   * @param targets [rows]: the token that a row predicts, or −1.
   * @param sums [rows, 9] float64: maximum m, Σ e^(l − m), the target's logit, the first token with the largest logit; the same
   * four of the base; Σ e^(b − max b) (b − l). A logit of −∞ (a masked token) adds nothing to its own model's sums. Where a
   * model has a NaN or +∞, its maximum, Σ and top token are NaN; without a base, the last five are NaN.
   */
  accumulateLogits(
    logits: Float32Array,
    base: Float32Array | undefined,
    columns: number,
    firstColumn: number,
    targets: Int32Array,
    sums: Float64Array,
    signal?: AbortSignal,
  ): Promise<void>;
  /**
   * The bandwidth of copying a buffer of `bytes` with all threads, in bytes per second, counting those read and those written:
   * the best of six rounds. `bytes` (at least 1 MiB) should be several times the last-level cache; twice as many are allocated
   * meanwhile.
   */
  copyBandwidth(bytes: number): Promise<number>;
}

/** What the addon exports (native/binding/module.cc). `cancel` is an Int32Array whose first element becomes 1 to cancel. */
interface Binding {
  readonly simdPaths: readonly string[];
  readonly codecs: readonly NativeCodec[];
  simd(): string;
  setSimd(name: string): void;
  setThreads(threads: number): void;
  decode(
    dtype: string,
    source: Uint8Array,
    target: Float32Array,
    cancel: Int32Array | undefined,
  ): Promise<void>;
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
  measureRows(
    dtype: string,
    source: Uint8Array,
    scheme: Scheme,
    columns: number,
    min: number,
    max: number,
    counts: Float64Array | undefined,
    importance: Float32Array | undefined,
    cancel: Int32Array | undefined,
  ): Promise<MeasuredRows>;
  measureRange(dtype: string, source: Uint8Array, cancel: Int32Array | undefined): Promise<MeasuredRange>;
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
  errorSums(source: Float32Array, decoded: Float32Array): Promise<ErrorSums>;
  histogram(values: Float32Array, min: number, max: number, counts: Float64Array): Promise<void>;
  accumulateLogits(
    logits: Float32Array,
    base: Float32Array | undefined,
    columns: number,
    firstColumn: number,
    targets: Int32Array,
    sums: Float64Array,
    cancel: Int32Array | undefined,
  ): Promise<void>;
  copyBandwidth(bytes: number): Promise<number>;
  readonly Scan: new (
    rows: number,
    columns: number,
    cellRows: number,
    cellColumns: number,
    bins: number,
    percents: Float64Array,
  ) => NativeScan;
}

interface NativeScan {
  first(values: Float32Array, cancel: Int32Array | undefined): Promise<void>;
  turn(): boolean;
  second(values: Float32Array, cancel: Int32Array | undefined): Promise<void>;
  finish(): ScanResult;
}

let loaded: Native | undefined;

/**
 * The addon of this platform, loaded once.
 * @throws QuantscopeError UNSUPPORTED naming the platform and how to build the addon.
 */
export function loadNative(): Native {
  loaded ??= wrap(loadBinding());
  return loaded;
}

/** `prebuilds/` lies in the package's root: one folder above both `src/` and `dist/`. */
function loadBinding(): Binding {
  const platform = `${process.platform}-${process.arch}`;
  const file = join(
    dirname(dirname(fileURLToPath(import.meta.url))),
    'prebuilds',
    platform,
    'quantscope.node',
  );
  const fail = (what: string, cause?: unknown): QuantscopeError => {
    const message = `The native addon for ${platform} ${what}. Build it with: node scripts/native.mjs`;
    return new QuantscopeError('UNSUPPORTED', message, { file }, cause);
  };
  let binding: Binding;
  try {
    binding = createRequire(import.meta.url)(file) as Binding;
  } catch (cause) {
    throw fail('cannot be loaded', cause);
  }
  if (typeof binding.measureRange !== 'function') throw fail('was built from older sources');
  return binding;
}

/** Runs one call of the addon with a flag that the signal sets; a cancelled call rejects with CANCELLED. */
async function cancellable<T>(
  signal: AbortSignal | undefined,
  run: (cancel: Int32Array | undefined) => Promise<T>,
): Promise<T> {
  throwIfCancelled(signal);
  if (!signal) return run(undefined);
  const flag = new Int32Array(1);
  const abort = (): void => {
    flag[0] = 1;
  };
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await run(flag);
  } catch (error) {
    throwIfCancelled(signal);
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function wrap(binding: Binding): Native {
  return {
    get simd() {
      return binding.simd();
    },
    simdPaths: binding.simdPaths,
    setSimd: (name) => binding.setSimd(name),
    codecs: binding.codecs,
    setThreads: (threads) => binding.setThreads(threads),
    decode: (dtype, source, target, signal) =>
      cancellable(signal, (cancel) => binding.decode(dtype, source, target, cancel)),
    encodeRows: (scheme, source, columns, { min, max }, { codes, scales, zeros, importance }, signal) =>
      cancellable(signal, (cancel) =>
        binding.encodeRows(scheme, source, columns, min, max, codes, scales, zeros, importance, cancel),
      ),
    decodeRows: (scheme, { codes, scales, zeros }, columns, target, signal) =>
      cancellable(signal, (cancel) =>
        binding.decodeRows(scheme, codes, scales, zeros, columns, target, cancel),
      ),
    measureRows: (dtype, source, columns, scheme, { min, max }, { importance, counts, signal } = {}) =>
      cancellable(signal, (cancel) =>
        binding.measureRows(dtype, source, scheme, columns, min, max, counts, importance, cancel),
      ),
    measureRange: (dtype, source, signal) =>
      cancellable(signal, (cancel) => binding.measureRange(dtype, source, cancel)),
    recodeRows: (from, source, to, columns, target, { importance, shift = 0, signal } = {}) =>
      cancellable(signal, (cancel) =>
        binding.recodeRows(from, source, to, columns, shift, importance, target, cancel),
      ),
    checkBlocks: (dtype, source, signal) =>
      cancellable(signal, (cancel) => binding.checkBlocks(dtype, source, cancel)),
    errorSums: async (source, decoded) => binding.errorSums(source, decoded),
    histogram: async (values, min, max, bins) => {
      const counts = new Float64Array(bins);
      await binding.histogram(values, min, max, counts);
      return counts;
    },
    createScan: ({ rows, columns, cellRows, cellColumns, bins, percentiles }) => {
      const percents = Float64Array.from(percentiles);
      const scan = new binding.Scan(rows, columns, cellRows, cellColumns, bins, percents);
      return {
        first: (values, signal) => cancellable(signal, (cancel) => scan.first(values, cancel)),
        turn: () => scan.turn(),
        second: (values, signal) => cancellable(signal, (cancel) => scan.second(values, cancel)),
        finish: () => scan.finish(),
      };
    },
    accumulateLogits: (logits, base, columns, firstColumn, targets, sums, signal) =>
      cancellable(signal, (cancel) =>
        binding.accumulateLogits(logits, base, columns, firstColumn, targets, sums, cancel),
      ),
    copyBandwidth: async (bytes) => binding.copyBandwidth(bytes),
  };
}
