import type { FormatError } from './analysis';
import type { ModelRef } from './model';

/** A tensor by its name, and the id of the format that it gets. */
export interface TensorChoice {
  readonly tensor: string;
  readonly format: string;
}

export interface QuantizeParams extends ModelRef {
  choices: readonly TensorChoice[];
  /** Target `.safetensors`; replaced atomically. */
  out: string;
}
export interface QuantizeResult {
  out: string;
  bytes: number;
  tensors: readonly { tensor: string; result: FormatError }[];
}
