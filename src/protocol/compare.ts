import type { ErrorMetrics, Histogram } from './analysis';
import type { AdapterRef } from './model';

/** What a model is compared with. */
export interface OtherModel {
  /** Its path, absolute. */
  readonly other: string;
  /** Adapters that are merged into it, virtually. */
  readonly otherAdapters?: readonly AdapterRef[];
}

/** What it is compared with besides. */
export interface ThirdModel {
  readonly third: string;
  readonly thirdAdapters?: readonly AdapterRef[];
}

/** One side of a matched tensor. */
export interface ComparedSide {
  /** Name in the file; of merged ones the first. */
  readonly name: string;
  readonly dtype: string;
  /** Outermost dimension first, as GGUF has it where naming schemes differ. */
  readonly shape: readonly number[];
}

export type CompareStatus =
  /** Every weight is the same number. */
  | 'equal'
  | 'different'
  /** Shapes differ; nothing was measured. */
  | 'shape'
  /** One of the sides holds NaN or infinities. */
  | 'not finite'
  | 'only in A'
  | 'only in B'
  /** One of the sides cannot be read. */
  | 'unreadable';

export interface ComparedTensor {
  /** The common name of both. */
  readonly name: string;
  readonly status: CompareStatus;
  readonly a?: ComparedSide;
  readonly b?: ComparedSide;
  /** Of B against A; present for `equal` and `different`. */
  readonly error?: ErrorMetrics;
  /** Why it is unreadable. */
  readonly reason?: string;
}

/** Two models, tensor by tensor, the worst first. */
export interface ModelComparison {
  readonly a: string;
  readonly b: string;
  /** Whether names were translated to those of GGUF. */
  readonly translated: boolean;
  /** Notes on uncertain matches, as sentences. */
  readonly notes: readonly string[];
  readonly tensors: readonly ComparedTensor[];
  /** √(Σ (a − b)² / Σ a²) over all measured weights. */
  readonly relativeError: number;
  readonly counts: Readonly<Record<CompareStatus, number>>;
}

/** Which of two models is closer to their original: in a tensor, or in all that both have in common with it. */
export type Closer = 'A' | 'B' | 'same';

/** A tensor of an original in two models that were made of it. */
export interface ThreeWayTensor {
  /** Of the original's file. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtypes: { readonly original: string; readonly a?: string; readonly b?: string };
  readonly statuses: { readonly a: CompareStatus; readonly b: CompareStatus };
  /** Of each against the original; absent where nothing was measured. */
  readonly a?: ErrorMetrics;
  readonly b?: ErrorMetrics;
  /** Absent where one of them was not measured. */
  readonly closer?: Closer;
}

/** Two models against their original, tensor by tensor, the largest difference of errors first. */
export interface ThreeWayComparison {
  readonly original: string;
  readonly a: string;
  readonly b: string;
  readonly notes: readonly string[];
  readonly tensors: readonly ThreeWayTensor[];
  /** Relative errors over all measured weights. */
  readonly relativeErrors: { readonly a: number; readonly b: number };
  /** Tensors that each is closer in. */
  readonly counts: Readonly<Record<Closer, number>>;
}

/** One matched tensor in detail. */
export interface TensorOverlay {
  readonly name: string;
  /** Equal bins over the range of both. */
  readonly histogramA: Histogram;
  readonly histogramB: Histogram;
  /** Of a − b. */
  readonly errorMap: ErrorMap;
}

/** The root mean square of differences in cells of the matrix `[rows, columns]`. */
export interface ErrorMap {
  readonly rows: number;
  readonly columns: number;
  readonly mapRows: number;
  readonly mapColumns: number;
  /** `mapRows × mapColumns`, row-major. */
  readonly values: readonly number[];
}
