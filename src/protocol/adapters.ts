import type { ModelRef } from './model';

/** The reference is that of the base. */
export interface ExportAdapterParams extends ModelRef {
  /** The folder of an adapter of PEFT, or a file in it, absolute. */
  readonly adapter: string;
  /** The .gguf file to write, absolute. */
  readonly out: string;
}

/** An adapter that was written as a GGUF file. */
export interface ExportedAdapter {
  readonly out: string;
  /** `general.architecture` of the base. */
  readonly architecture: string;
  readonly alpha: number;
  /** Of the file. */
  readonly bytes: number;
  /** Tensors of the base's GGUF file that it changes, in the order of the file. */
  readonly tensors: readonly {
    readonly name: string;
    readonly rank: number;
    /** Outermost dimension first. */
    readonly shapeA: readonly number[];
    readonly shapeB: readonly number[];
  }[];
}
