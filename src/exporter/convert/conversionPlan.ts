import type { RestoredRows } from '../../architectures/restore/restoredRows';
import type { StoredPart, TensorDescriptor } from '../../protocol/model';
import { tensorBytes, type SafetensorsTensor } from '../safetensorsHeader';
import type { FloatDtype } from './castNumbers';

/** A tensor of the output. */
interface PlannedTensor extends SafetensorsTensor {
  /** How the model has it. */
  readonly from: string;
  readonly bytes: number;
}

/** One whose bytes are copied. */
export interface CopiedTensor extends PlannedTensor {
  readonly copied: TensorDescriptor | StoredPart;
}

/** One whose weights are decoded and rounded to F32, F16 or BF16. */
export interface RoundedTensor extends PlannedTensor {
  readonly dtype: FloatDtype;
  /** Rows of the model that follow each other in the output. Orders of their units and functions of weights are undone; what is added is added. */
  readonly rounded: readonly RestoredRows[];
}

export type PlannedConversion = CopiedTensor | RoundedTensor;

/** What becomes of the tensors of a model; read from headers alone. */
export interface ConversionPlan {
  readonly tensors: readonly PlannedConversion[];
  /** Dtype that config.json is to state, where it changes. */
  readonly statedDtype?: FloatDtype;
  /** Weights were decoded: nothing of the output is quantized. */
  readonly isDecoded: boolean;
  /** Contents of the files of a folder, by their names, where they are made and not those next to the model. */
  readonly files?: ReadonlyMap<string, string | Uint8Array>;
  readonly notes: readonly string[];
  /** What is to be said of `files`, where a folder is written. */
  readonly notesOfFiles?: readonly string[];
}

/** A tensor as it is. */
export function copied(tensor: TensorDescriptor | StoredPart): CopiedTensor {
  const { name, dtype, shape } = tensor;
  return { name, dtype, shape, from: dtype, bytes: tensorBytes({ name, dtype, shape }), copied: tensor };
}
