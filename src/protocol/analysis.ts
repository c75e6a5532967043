/**
 * Figures of this file keep NaN, +∞ and −∞ on their way (exactJson.ts). A figure that is **NaN is not defined** for its data:
 * the minimum of a tensor without finite values, the kurtosis of a constant, an SQNR with NaN weights; views say "not defined".
 * ±∞ is a value: an SQNR of +∞ means that nothing was lost. Only weights themselves (`RegionMap.values`) can be NaN as such.
 */

/** Over the finite values; NaN: not defined. */
export interface TensorStatistics {
  readonly count: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  /** Population standard deviation. */
  readonly standardDeviation: number;
  /** Fourth standardised moment (3 for a normal distribution); NaN for a constant. */
  readonly kurtosis: number;
  readonly absMax: number;
  readonly zeros: number;
  readonly nans: number;
  readonly infinities: number;
  /** Finite in the file, but infinite in float32, in which everything is computed (F64): not among the finite values here. */
  readonly beyondFloat32: number;
  /** Not 0 in the file, but 0 in float32 (F64). */
  readonly belowFloat32: number;
  /** Integers that float32 rounds: of more than 2^24. */
  readonly roundedIntegers: number;
  /** Exact order statistics (nearest rank) of the finite values. */
  readonly percentiles: readonly { readonly percent: number; readonly value: number }[];
}

/** Bins of equal width over [min, max]: those of the finite values, unless a range was requested. */
export interface Histogram {
  readonly min: number;
  readonly max: number;
  readonly counts: readonly number[];
  /** Finite values outside of the range; absent where there are none. */
  readonly outside?: { readonly below: number; readonly above: number };
}

/** How a histogram is counted. */
export interface HistogramRequest {
  /** 1 to 65,536; 200 when absent. */
  readonly bins?: number;
  /** Two finite values, the lower one first; the extremes of the finite values when absent. */
  readonly range?: { readonly min: number; readonly max: number };
}

/** Heat map of max |w| over blocks of the matrix `[rows, columns]` (leading dimensions flattened into rows). */
export interface OutlierMap {
  readonly rows: number;
  readonly columns: number;
  /** Weights per cell in each direction; the last cell of a row or column may cover fewer. */
  readonly cellRows: number;
  readonly cellColumns: number;
  readonly mapRows: number;
  readonly mapColumns: number;
  /** `mapRows × mapColumns`, row-major; non-finite weights are left out. */
  readonly values: readonly number[];
  /** Rows and columns whose max |w| stands out, strongest first. */
  readonly outlierRows: readonly OutlierLine[];
  readonly outlierColumns: readonly OutlierLine[];
  readonly deadRows: DeadLines;
  readonly deadColumns: DeadLines;
}

/** Rows or columns without a finite weight other than 0. */
export interface DeadLines {
  readonly count: number;
  /** Runs of them, longest first; at most 16. Both ends are dead. */
  readonly ranges: readonly { readonly first: number; readonly last: number }[];
}

/** A rectangle of a tensor seen as the matrix `[rows, columns]` (leading dimensions flattened into rows). */
export interface TensorRegion {
  readonly firstRow: number;
  readonly firstColumn: number;
  readonly rows: number;
  readonly columns: number;
}

/** Weights per cell of a map in each direction. */
export interface CellSize {
  readonly rows: number;
  readonly columns: number;
}

/** Content of a region. */
export interface RegionMap extends TensorRegion {
  /** Weights per cell in each direction; the last cell of a row or column may cover fewer. */
  readonly cellRows: number;
  readonly cellColumns: number;
  readonly mapRows: number;
  readonly mapColumns: number;
  /** `mapRows × mapColumns`, row-major: the weights with their signs where a cell is one weight, else max |w| of finite ones. */
  readonly values: readonly number[];
}

export interface OutlierLine {
  readonly index: number;
  readonly absMax: number;
  /** (absMax − median) / σ over the max |w| of all rows (or columns), σ from the median absolute deviation. */
  readonly score: number;
}

/** A figure of lines (rows or columns), reduced to points: its extremes and its mean over the lines of each point. */
export interface ProfileCurve {
  readonly min: readonly number[];
  readonly mean: readonly number[];
  readonly max: readonly number[];
}

/** Figures along the rows or the columns of a matrix, in at most 4,096 points; no outstanding line is lost in the reduction. */
export interface LineProfile {
  /** Rows or columns. */
  readonly lines: number;
  /** Lines in a point; the last one may have fewer. */
  readonly linesPerPoint: number;
  /** max |w| of a line; weights that are not finite are left out. */
  readonly absMax: ProfileCurve;
  /** √(Σw² / n) of a line over its finite weights; 0 for a line without any. */
  readonly rms: ProfileCurve;
}

/** How many weights lie beyond multiples of σ, the root mean square of the finite weights: their standard deviation about 0. */
export interface OutlierCounts {
  readonly sigma: number;
  /** Finite weights with |w| > k·σ, for each threshold k in ascending order. */
  readonly beyond: readonly { readonly k: number; readonly count: number }[];
  /**
   * Columns with at least one |w| > 6·σ. LLM.int8 (Dettmers et al., 2022) keeps columns of activations with a magnitude above 6 in 16 bits;
   * weights have no such absolute measure, so that it is relative to σ here. Absent for more than 4,194,304 columns.
   */
  readonly columns?: OutlierColumns;
}

export interface OutlierColumns {
  readonly count: number;
  /** Those with the largest max |w|, in descending order of it; at most 64. */
  readonly largest: readonly { readonly index: number; readonly absMax: number }[];
}

export interface TensorAnalysis {
  readonly tensor: string;
  readonly statistics: TensorStatistics;
  readonly histogram: Histogram;
  readonly outliers: OutlierMap;
  readonly outlierCounts: OutlierCounts;
  /** Absent for more than 4,194,304 rows or columns. */
  readonly rowProfile?: LineProfile;
  readonly columnProfile?: LineProfile;
}

/** Error of a tensor against its quantized self; sums are float64. */
export interface ErrorMetrics {
  readonly mse: number;
  /** Σ(x − x')² / Σx²; 0 for an all-zero tensor that is reproduced exactly. */
  readonly relativeSquaredError: number;
  /** √relativeSquaredError: ‖x − x'‖ / ‖x‖. */
  readonly relativeError: number;
  /** 10·log10(Σx² / Σ(x − x')²), dB; Infinity when exact. */
  readonly sqnr: number;
  readonly cosine: number;
  readonly maxError: number;
}

/** A tensor in a format: its size and its error. */
export interface FormatError {
  readonly format: string;
  /** Exact size of all tensors that the format writes for this one, bytes. */
  readonly bytes: number;
  readonly bitsPerWeight: number;
  readonly error: ErrorMetrics;
}

export interface FormatComparison extends FormatError {
  /** Histogram of the decoded weights, same bins as the source's. */
  readonly histogram: Histogram;
}

export interface TensorComparison {
  readonly tensor: string;
  readonly sourceBytes: number;
  readonly histogram: Histogram;
  readonly formats: readonly FormatComparison[];
  /** Formats that this tensor cannot take, with the reason. */
  readonly refused: readonly { readonly format: string; readonly reason: string }[];
}

/** How a weight of a quantized checkpoint is stored. */
export interface StoredAnalysis {
  readonly tensor: string;
  /** Of all parts together: codes, scales, zero points, everything else that the weight needs. */
  readonly bitsPerWeight: number;
  readonly parts: readonly {
    readonly role: string;
    readonly name: string;
    readonly dtype: string;
    readonly shape: readonly number[];
    readonly bytes: number;
  }[];
  /** Absent where the layout does not show its codes. */
  readonly codes?: CodeAnalysis;
}

/** Codes of a weight, and what they are scaled by. A weight is (level − zero) · scale + minimum. */
export interface CodeAnalysis {
  /** What codes can stand for, in ascending order, and how many weights have each. */
  readonly levels: readonly number[];
  readonly counts: readonly number[];
  /** Weights at the lowest and at the highest level. */
  readonly saturated: { readonly lowest: number; readonly highest: number };
  /** Share of a row's weights that are at either end; each value is the mean of `cellRows` rows. */
  readonly saturation: {
    readonly cellRows: number;
    readonly values: readonly number[];
    /** Rows with the largest share, at most 8. */
    readonly worst: readonly { readonly row: number; readonly share: number }[];
  };
  readonly scales: GroupMap;
  readonly zeros?: GroupMap;
  /** Of the types of GGUF files that have them. */
  readonly minimums?: GroupMap;
  /** What scales, and minimums, are multiples of: a number for each super-block, in the place of groups. */
  readonly factors?: { readonly scales: GroupMap; readonly minimums?: GroupMap };
}

/** The values that weights of a tensor can take in a format, where they share one scale. */
export interface CodePoints {
  readonly tensor: string;
  readonly format: string;
  /** Ascending, each once. They are those of the group with the median scale. */
  readonly values: readonly number[];
  readonly scale: number;
  /** Groups whose scales were looked at, and whether the tensor has more. */
  readonly groups: number;
  readonly isSample: boolean;
}

/** A parameter of groups `[rows, groups]`, reduced to a map of means. */
export interface GroupMap {
  readonly rows: number;
  /** Per row. */
  readonly groups: number;
  readonly cellRows: number;
  readonly cellGroups: number;
  readonly mapRows: number;
  readonly mapGroups: number;
  /** `mapRows × mapGroups`, row-major; NaN where a cell has no finite value. */
  readonly values: readonly number[];
  /** Of single groups; NaN where there is no finite one. */
  readonly min: number;
  readonly max: number;
}
