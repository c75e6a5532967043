import type { ModelRef } from './model';

/** Dtypes that floats can be converted to. */
export const convertDtypes = ['f32', 'f16', 'bf16'] as const;
export type ConvertDtype = (typeof convertDtypes)[number];

/** Names of the tensors of a GGUF file: those of its checkpoint, or its own. */
export const convertNames = ['checkpoint', 'gguf'] as const;
export type ConvertNames = (typeof convertNames)[number];

/** What is done to the tensors of a model on their way to safetensors. All of it determines the bytes of the files. */
export interface ConvertSettings {
  /** Dtype of all floats; each keeps its own where it is absent. */
  readonly dtype?: ConvertDtype;
  /** Weights that a layout (GPTQ, AWQ, FP8…) stores in parts become plain ones; otherwise the parts are copied. */
  readonly decode?: boolean;
  /** Finite weights beyond the range of the dtype become infinite; otherwise they are an error. */
  readonly allowInfinity?: boolean;
  /** Of a GGUF file: those of the checkpoint when absent. */
  readonly names?: ConvertNames;
}

export interface ConvertParams extends ConvertSettings, ModelRef {
  /** A file whose name ends in ".safetensors", else a folder. */
  readonly out: string;
  /** Most bytes of weights of a file of the folder; 5 GB when absent. */
  readonly maxShardBytes?: number;
  /** One file, however large. */
  readonly single?: boolean;
  /** Replaces a folder that an earlier run wrote. */
  readonly overwrite?: boolean;
}

export interface ConvertPreview {
  /** Tensors of the output, in the order of the model. */
  readonly tensors: readonly {
    readonly name: string;
    /** How the model has it: "BF16", "int4, group 128". */
    readonly from: string;
    /** Dtype in the output. */
    readonly to: string;
    readonly bytes: number;
  }[];
  /** Files of weights, by their base names, with the bytes of their tensors. */
  readonly files: readonly { readonly name: string; readonly bytes: number; readonly tensors: number }[];
  /** Other files of a folder, by their paths in it. */
  readonly others: readonly string[];
  /** What was chosen, left out or rounded, as sentences. */
  readonly notes: readonly string[];
}

export interface ConvertResult {
  /** Absolute path of the file or folder. */
  readonly out: string;
  /** Of all files of weights. */
  readonly bytes: number;
  readonly tensors: number;
  /** Files of weights, by their base names. */
  readonly files: readonly string[];
  readonly notes: readonly string[];
}
