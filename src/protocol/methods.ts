import * as l10n from '@vscode/l10n';
import type { ErrorMetrics, Histogram } from './analysis';
import type { ModelRef } from './model';
import type { EvidenceKind, MethodOptions } from './recipe';
import { plural } from './words';

export interface GridDescription {
  /** "int4-g128", "Q4_K": what users type. */
  readonly name: string;
  /** "int4, group 128". */
  readonly label: string;
}

export interface MethodResult {
  /** Of codes, scales and zero points, densely packed. */
  readonly bytes: number;
  readonly bitsPerWeight: number;
  readonly error: ErrorMetrics;
  /** Σ‖(Ŵ − W)x‖² / Σ‖Wx‖² over inputs that calibration kept; absent without them. */
  readonly outputError?: number;
  /** Of the decoded weights, in the bins of the source's. */
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
  const what = l10n.t(
    'Bias correction of {0}, {1} in root mean square',
    plural(rows, 'output'),
    rms.toPrecision(3),
  );
  return into === undefined
    ? l10n.t('{0}: the layer has no bias, so it cannot be stored.', what)
    : l10n.t('{0}: added to {1}.', what, into);
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
