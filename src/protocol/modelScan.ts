import type { ModelRef } from './model';

/** |w| beyond so many σ counts as an outlier in a scan of a model; σ is the root mean square of the tensor's finite weights. */
export const scanSigma = 6;

/** Figures of each tensor in a scan, in the order of its columns. NaN: not defined, as in analysis.ts. */
export const scanFigureNames = [
  'absMax',
  'rms',
  'mean',
  'standardDeviation',
  'kurtosis',
  'outlierShare',
  'zeros',
  'nans',
  'infinities',
  'deadRows',
  'deadColumns',
] as const;
export type ScanFigureName = (typeof scanFigureNames)[number];

/** What a scan takes besides the model. */
export interface ScanSettings {
  /** Id of a format: the relative error ‖x − x'‖ / ‖x‖ of each tensor in it is measured, too. */
  readonly format?: string;
}

export interface ScanParams extends ModelRef, ScanSettings {
  /** Where finished tensors are kept, so that a later run continues. */
  readonly cacheDir: string;
}

/**
 * Figures of the tensors that were scanned so far, as columns: entry i of each is of tensor `names[i]`. Tensors are in the order of
 * the model.
 */
export interface ModelScan {
  /** Readable tensors of the model: the scan is complete when `names` has as many. */
  readonly tensors: number;
  readonly names: readonly string[];
  readonly figures: Readonly<Record<ScanFigureName, readonly number[]>>;
  /** Of the format that was requested. */
  readonly error?: {
    readonly format: string;
    /** ‖x − x'‖ / ‖x‖; NaN where the format cannot take the tensor, or was not measured yet. */
    readonly relative: readonly number[];
    /** Of how many tensors it is known, if only that the format cannot take them. */
    readonly measured: number;
  };
  /** Why finished tensors are not kept on disk; absent when they are. */
  readonly notKept?: string;
}
