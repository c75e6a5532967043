import type { ModelRef } from './model';

/** Compares a GGUF file with an encoding of the model that it is said to be made of. */
export interface ProvenanceParams extends ModelRef {
  /** The model that the file is said to be made of: a checkpoint, or a GGUF file. Absolute. */
  readonly source: string;
  /** The importance matrix that it is said to be made with. Absolute. */
  readonly imatrix?: string;
}

/** How codes were found: with which importance of the columns, and which type the weights had in between. */
export interface Encoding {
  readonly importance: 'none' | 'given';
  /** The type of a file in between, as of a conversion to F16 that was quantized afterwards. */
  readonly via?: 'F16' | 'BF16';
}

/**
 * What a tensor turned out to be. `exact`: its bytes are those of the source. `changed`: few of its blocks differ. `codes`: most blocks
 * differ, but the weights are as close to the source as those of its type usually are. `weights`: they are farther away. `unknown`: its type
 * cannot be encoded without the importance matrix that it was made with. `shape`: it has another shape. `missing`, `added`: only the source has it, or
 * only the file.
 */
export const tensorVerdicts = [
  ...(['exact', 'changed', 'codes', 'weights', 'unknown'] as const),
  ...(['shape', 'missing', 'added'] as const),
] as const;
export type TensorVerdict = (typeof tensorVerdicts)[number];

/** A tensor of the file that is not what an encoding of the source gives. */
export interface UnprovenTensor {
  readonly tensor: string;
  /** Its type in the file; in the source where the file lacks it. */
  readonly type: string;
  readonly verdict: Exclude<TensorVerdict, 'exact'>;
  /** A sentence. */
  readonly message: string;
  /** The closest encoding. */
  readonly encoding?: Encoding;
  readonly difference?: TensorDifference;
}

/** Where a tensor differs from its closest encoding, and by how much. */
export interface TensorDifference {
  /** Absolute path of the file, and absolute offset of the first byte that differs. */
  readonly file: string;
  readonly offset: number;
  /** Block of the first difference, counted from 0, and its row of the matrix `[rows, columns]`. */
  readonly block: number;
  readonly row: number;
  readonly differing: number;
  readonly blocks: number;
  /** ‖file − source‖ / ‖source‖ over all weights, and the same of the encoding; NaN where the source is all zeros. */
  readonly relativeError: number;
  readonly encodedError: number;
}

/** Tensors whose bytes were proven, by type and encoding. */
export interface ProvenTensors {
  readonly type: string;
  readonly encoding: Encoding;
  readonly tensors: number;
  readonly bytes: number;
}

/** A key of the file whose value is not the one that an export of the source writes. */
export interface KeyDifference {
  readonly key: string;
  /** Whether it changes how the model runs: of architecture and tokenizer. */
  readonly matters: boolean;
  /** `differs`: both have it. `missing`: only the export writes it. `added`: only the file has it. */
  readonly kind: 'differs' | 'missing' | 'added';
}

/** How the types of the tensors compare with those of the file type that the file states. */
export interface StatedFileType {
  /** Name of the file type; absent where the file states none, or an unknown one. */
  readonly name?: string;
  /** Which of its mixtures fits best. */
  readonly mixture?: 'usual' | 'with importance' | 'pure';
  /** Tensors of another type than that mixture gives them, at most `maxUnproven` of them. */
  readonly others: readonly { readonly tensor: string; readonly type: string; readonly expected: string }[];
  readonly otherCount: number;
}

export interface ProvenanceResult {
  /** The file, and the source: absolute paths. */
  readonly path: string;
  readonly source: string;
  /** Every tensor is exact, none is missing or added, and no key that matters differs. */
  readonly isProven: boolean;
  readonly tensors: number;
  readonly proven: readonly ProvenTensors[];
  /** At most `maxUnproven`. */
  readonly unproven: readonly UnprovenTensor[];
  readonly unprovenCount: number;
  readonly fileType: StatedFileType;
  /** Name of the importance matrix that the file says it was made with. */
  readonly statedImatrix?: string;
  readonly keys: readonly KeyDifference[];
  readonly notes: readonly string[];
  readonly seconds: number;
}

/** Tensors that a result lists. */
export const maxUnproven = 1_000;
