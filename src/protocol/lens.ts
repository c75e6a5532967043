import type { Histogram } from './analysis';
import type { StoredEvidence } from './evidence';
import type { GridDescription, MethodResult } from './methods';
import type { ModelRef } from './model';
import type { EvidenceKind, MethodDescription, MethodOptions } from './recipe';

/** A way to quantize a tensor: a grid or a type of ggml by its name, and the id of the method that finds the codes. */
export interface LensRecipe {
  readonly grid: string;
  readonly method: string;
}

/** What a grid is made of, for lists that are filtered by it. */
export type LensFamily = 'gguf' | 'integer' | 'table' | 'float';

/** A grid of the lens, and the methods that take it. */
export interface LensGrid extends GridDescription {
  readonly family: LensFamily;
  /** Of a large matrix, with scales and zero points. */
  readonly bitsPerWeight: number;
  /** Ids, in the order of lists; those that refuse it whatever the tensor are left out. */
  readonly methods: readonly string[];
}

/** Grids and methods that a tensor can be quantized with. */
export interface MethodChoices {
  readonly methods: readonly MethodDescription[];
  /** Grids that lists show, types of ggml among them; others have names too (`gridNamed`). */
  readonly grids: readonly LensGrid[];
  /** What a lens begins with, in the order of likely interest. */
  readonly usual: readonly LensRecipe[];
}

export interface LensParams extends ModelRef {
  readonly tensor: string;
  /** In the order in which rows are wanted. */
  readonly recipes: readonly LensRecipe[];
  /** Options of methods that differ from their defaults, by id. */
  readonly options?: Readonly<Record<string, MethodOptions>>;
  /** Folder where evidence is kept: the latest of the model is used. */
  readonly cacheDir?: string;
}

/** What all rows of a tensor share. */
export interface LensFacts {
  readonly tensor: string;
  readonly sourceBytes: number;
  readonly histogram: Histogram;
  /** What is known of the inputs; absent where the model was not calibrated. */
  readonly evidence?: StoredEvidence;
}

/** A recipe, and one of: a result; why there is none; the evidence that is missing for it. */
export interface LensRow extends LensRecipe {
  readonly result?: MethodResult;
  readonly refused?: string;
  readonly missing?: EvidenceKind;
  /** Share of the weights that the result is of so far; absent once it is of all. */
  readonly share?: number;
}

/** A tensor by several recipes, in the order of the request. */
export interface TensorLens extends LensFacts {
  readonly rows: readonly LensRow[];
}

/** Rows that are new since the previous report, and once what they share. */
export interface LensProgress {
  readonly facts?: LensFacts;
  readonly rows: readonly LensRow[];
}

export interface ErrorMapParams extends ModelRef, LensRecipe {
  readonly tensor: string;
  readonly options?: MethodOptions;
  readonly cacheDir?: string;
}
