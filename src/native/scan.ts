import { cancellable } from './cancellable';

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

/** Statistics. */
export interface ScanFunctions {
  /** @throws Error for a matrix without weights or with more than 2^53, or a map of more than 2^24 cells. */
  createScan(options: ScanOptions): Scan;
}

interface NativeScan {
  first(values: Float32Array, cancel: Int32Array | undefined): Promise<void>;
  turn(): boolean;
  second(values: Float32Array, cancel: Int32Array | undefined): Promise<void>;
  finish(): ScanResult;
}

export interface ScanBinding {
  readonly Scan: new (
    rows: number,
    columns: number,
    cellRows: number,
    cellColumns: number,
    bins: number,
    percents: Float64Array,
  ) => NativeScan;
}

export function scanFunctions(binding: ScanBinding): ScanFunctions {
  return {
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
  };
}
