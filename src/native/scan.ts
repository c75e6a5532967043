import { cancellable } from './cancellable';

/** Figures over the finite weights of a matrix; NaN: not defined. */
export interface ScanResult {
  readonly count: number;
  readonly finite: number;
  readonly min: number;
  readonly max: number;
  readonly absMax: number;
  readonly mean: number;
  readonly standardDeviation: number;
  readonly kurtosis: number;
  /** Root mean square. */
  readonly rms: number;
  readonly zeros: number;
  readonly nans: number;
  readonly infinities: number;
  /** One value per requested percentile, exact (nearest rank). */
  readonly percentiles: Float64Array;
  /** Bins of equal width over [min, max], or over the requested range: `below` and `above` count the others then. */
  readonly histogram: Float64Array;
  readonly below: number;
  readonly above: number;
  /** Weights with |w| > threshold · rms, for each threshold. */
  readonly beyond: Float64Array;
  /** max |w| and root mean square of each row and each column (empty for more than 4,194,304 of them). */
  readonly rowAbsMax: Float32Array;
  readonly columnAbsMax: Float32Array;
  readonly rowRms: Float32Array;
  readonly columnRms: Float32Array;
  /** max |w| of each cell of the map, row-major. */
  readonly cellAbsMax: Float32Array;
}

export interface ScanOptions {
  /** Of the data. */
  readonly dtype: string;
  readonly rows: number;
  readonly columns: number;
  readonly cellRows: number;
  readonly cellColumns: number;
  /** 0: no histogram. */
  readonly bins: number;
  readonly range?: { readonly min: number; readonly max: number } | undefined;
  /** Percents in (0, 100). */
  readonly percentiles: readonly number[];
  /** Multiples of the root mean square. */
  readonly thresholds: readonly number[];
}

/**
 * Statistics of a matrix. All of its data, whole blocks in row-major order, goes through `first` in pieces of any length; then `turn`
 * returns whether it must go through `second` as well. That of dtypes of at most 16 bits need not, nor that of float32 that are BF16.
 */
export interface Scan {
  first(data: Uint8Array, signal?: AbortSignal): Promise<void>;
  turn(): boolean;
  second(data: Uint8Array, signal?: AbortSignal): Promise<void>;
  finish(): ScanResult;
}

/** Statistics. */
export interface ScanFunctions {
  /** @throws Error for an unknown dtype, a matrix without weights or with more than 2^53, or a map of more than 2^24 cells. */
  createScan(options: ScanOptions): Scan;
}

interface NativeScan {
  first(data: Uint8Array, cancel: Int32Array | undefined): Promise<void>;
  turn(): boolean;
  second(data: Uint8Array, cancel: Int32Array | undefined): Promise<void>;
  finish(): ScanResult;
}

export interface ScanBinding {
  readonly Scan: new (
    dtype: string,
    rows: number,
    columns: number,
    cellRows: number,
    cellColumns: number,
    bins: number,
    range: Float64Array,
    percents: Float64Array,
    thresholds: Float64Array,
  ) => NativeScan;
}

export function scanFunctions(binding: ScanBinding): ScanFunctions {
  return {
    createScan: ({ dtype, rows, columns, cellRows, cellColumns, bins, range, percentiles, thresholds }) => {
      const scan = new binding.Scan(
        ...([dtype, rows, columns, cellRows, cellColumns, bins] as const),
        range ? Float64Array.of(range.min, range.max) : new Float64Array(),
        Float64Array.from(percentiles),
        Float64Array.from(thresholds),
      );
      return {
        first: (data, signal) => cancellable(signal, (cancel) => scan.first(data, cancel)),
        turn: () => scan.turn(),
        second: (data, signal) => cancellable(signal, (cancel) => scan.second(data, cancel)),
        finish: () => scan.finish(),
      };
    },
  };
}
