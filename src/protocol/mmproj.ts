import type { ExportedTensor } from './export';
import type { ModelRef } from './model';

/** Types of the matrices of a vision part; llama.cpp computes with no other in every part of it. */
export type MmprojType = (typeof mmprojTypes)[number];
export const mmprojTypes = ['F16', 'BF16', 'F32', 'Q8_0'] as const;
/** Where nothing else is said: what the weights of most checkpoints round to without a loss that shows. */
export const usualMmprojType: MmprojType = 'F16';

export interface MmprojSettings extends ModelRef {
  readonly type?: MmprojType;
  /** The .gguf file to write, absolute. */
  readonly out?: string;
}

/** The file of a vision part: everything but the data. */
export interface MmprojPreview {
  /** What llama.cpp calls this kind of vision part (`clip.projector_type`). */
  readonly projector: string;
  readonly type: MmprojType;
  readonly tensors: readonly ExportedTensor[];
  readonly parameters: number;
  /** Of the file. */
  readonly bytes: number;
  readonly notes: readonly string[];
}

export interface ExportedMmproj extends MmprojPreview {
  readonly out: string;
  readonly seconds: number;
}
