import type { ErrorMetrics, Histogram } from './analysis';
import type { StoredEvidence } from './evidence';
import type { ModelRef } from './model';
import type { EvidenceKind, MethodDescription, MethodOptions } from './recipe';
import { plural } from './words';

/** Grids and methods that a layer can be quantized with. */
export interface MethodChoices {
  readonly methods: readonly MethodDescription[];
  /** Grids that lists show first, and types of ggml; others have names too (`gridNamed`). */
  readonly grids: readonly GridDescription[];
  /** Grids that a first comparison shows. */
  readonly usual: readonly string[];
}

export interface GridDescription {
  /** "int4-g128", "Q4_K": what users type. */
  readonly name: string;
  /** "int4, group 128". */
  readonly label: string;
}

export interface MethodParams extends ModelRef {
  readonly tensor: string;
  /** Name of a grid, or of a ggml type. */
  readonly grid: string;
  /** Ids of methods; all where it is absent. */
  readonly methods?: readonly string[];
  /** Options of methods that differ from their defaults, by id. */
  readonly options?: Readonly<Record<string, MethodOptions>>;
  /** Folder where evidence is kept: the latest of the model is used. */
  readonly cacheDir?: string;
}

/** A tensor in one grid by several methods. */
export interface MethodRow {
  readonly tensor: string;
  readonly grid: GridDescription;
  readonly sourceBytes: number;
  readonly histogram: Histogram;
  /** What is known of the inputs; absent where the model was not calibrated. */
  readonly evidence?: StoredEvidence;
  /** In the order of the request. */
  readonly cells: readonly MethodCell[];
}

/** One of: a result; why there is none; the evidence that is missing for it. */
export interface MethodCell {
  readonly method: string;
  readonly result?: MethodResult;
  readonly refused?: string;
  readonly missing?: EvidenceKind;
}

export interface MethodResult {
  /** Of codes, scales and zero points, densely packed. */
  readonly bytes: number;
  readonly bitsPerWeight: number;
  readonly error: ErrorMetrics;
  /** Σ‖(Ŵ − W)x‖² / Σ‖Wx‖² over inputs that calibration kept; absent without them. */
  readonly outputError?: number;
  /** Of the decoded weights, in the bins of the row's histogram. */
  readonly histogram: Histogram;
  readonly seconds: number;
  /** What the method knew of the inputs. */
  readonly evidence: EvidenceKind;
  /** Correction of the mean outputs; absent where the method makes none. Errors are those without it. */
  readonly bias?: BiasFigures;
  /** Layouts that can store it: those of runtimes, and our own. */
  readonly layouts: readonly { readonly id: string; readonly label: string }[];
}

/** What a method adds to the outputs of a matrix, so that their means stay as they were. */
export interface BiasFigures {
  /** Outputs that are corrected. */
  readonly rows: number;
  /** Root mean square of the corrections, in units of the outputs. */
  readonly rms: number;
  /** The bias of the model that it is added to; absent where the layer has none, so that it cannot be made. */
  readonly into?: string;
}

/** What a correction does, and whether a file can hold it. */
export function biasSentence({ rows, rms, into }: BiasFigures): string {
  const what = `Bias correction of ${plural(rows, 'output')}, ${rms.toPrecision(3)} in root mean square`;
  return into === undefined
    ? `${what}: the layer has no bias, so it cannot be stored.`
    : `${what}: added to ${into}.`;
}

export interface SaveMethodParams extends ModelRef {
  readonly tensor: string;
  readonly grid: string;
  readonly method: string;
  readonly options?: MethodOptions;
  /** Id of one of the layouts that the result lists. */
  readonly layout: string;
  readonly cacheDir?: string;
  /** Target `.safetensors`; replaced atomically. */
  readonly out: string;
}

export interface SaveMethodResult {
  readonly out: string;
  readonly bytes: number;
  readonly error: ErrorMetrics;
}
