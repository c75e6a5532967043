import type { ModelRef } from './model';

export interface VerifyParams extends ModelRef {
  /** A plan (`*.ampq.json`) whose types the tensors are to have. */
  readonly planFile?: string;
}

/**
 * What is wrong: the file's `size`; its `header` or padding; the `bytes` of a tensor, which differ from those that were written; `values` or
 * scales that are not finite or saturated; the `bounds` of tensors; the type of a tensor in the `plan`; the list of `digests` itself.
 */
export type FaultKind = 'size' | 'header' | 'bytes' | 'values' | 'bounds' | 'plan' | 'digests';

/** Something wrong, and where. */
export interface Fault {
  readonly kind: FaultKind;
  /** Absolute path. */
  readonly file: string;
  readonly tensor?: string;
  /** Absolute offset in the file, and number of bytes, of what is wrong. */
  readonly offset?: number;
  readonly bytes?: number;
  /** Blocks of the tensor that it touches, counted from 0; weights where the dtype has no blocks. */
  readonly blocks?: { readonly first: number; readonly last: number };
  /** A sentence without the place. */
  readonly message: string;
}

/** Of one file. */
export interface VerifiedFile {
  /** Absolute path. */
  readonly file: string;
  readonly bytes: number;
  readonly tensors: number;
  /** Whether digests were written with it. */
  readonly digests: 'checked' | 'missing' | 'unusable';
  /** The model that the digests say it was made of. */
  readonly source?: string;
}

export interface VerifyResult {
  readonly path: string;
  readonly files: readonly VerifiedFile[];
  readonly tensors: number;
  /** Bytes of tensors that were read. */
  readonly checkedBytes: number;
  /** In the order of the files and offsets; at most `maxFaults`. */
  readonly faults: readonly Fault[];
  /** How many more there are. */
  readonly omitted: number;
  /** Names of the tensors with a fault, in their order; at most `maxFaults`. */
  readonly damaged: readonly string[];
  /** What was not checked, as sentences. */
  readonly notes: readonly string[];
  readonly seconds: number;
}

/** Faults of a result. */
export const maxFaults = 1_000;

/** Makes damaged tensors again. */
export interface RepairParams extends ModelRef {
  /** The model that the files were made of. */
  readonly source: string;
  /** Folder for the repaired files, which keep their names. */
  readonly out: string;
  /** The importance matrix that they were made with. */
  readonly imatrix?: string;
  /** Where what was measured of texts is kept. */
  readonly cacheDir?: string;
}

export interface RepairResult {
  /** The folder, absolute. */
  readonly out: string;
  /** Files that were written, and the tensors that were made again in each: none in one of which padding was cut. No files where nothing is damaged. */
  readonly files: readonly { readonly file: string; readonly tensors: readonly string[] }[];
  readonly seconds: number;
}
