import type { FileFrame } from './fileFrame';

/** Someone's GGUF file of the same base, as an assignment of types to the tensors of a table. */
export interface RivalFile {
  readonly file: string;
  /** Of all its parts, headers and padding included. */
  readonly bytes: number;
  /** Of each row of the table, in its order. */
  readonly tensors: readonly RivalTensor[];
}

export interface RivalTensor {
  readonly tensor: string;
  readonly type: string;
  readonly bytes: number;
}

/** A file that a plan is to beat, with what the plan needs to be compared with it. */
export interface RivalOfModel extends RivalFile {
  /** Absolute. */
  readonly path: string;
  /** Its types that errors can be measured in. */
  readonly formats: readonly string[];
  /** What a file of the plan holds besides the tensors that it chooses formats for. */
  readonly frame?: FileFrame;
}
