import type { GroupShape } from './grids';
import type { DeviceChoice } from './device';
import type { EvidenceKind, MethodDescription, MethodOptions, Recipe } from './recipe';

/** A preset as lists show it. */
export interface RecipeDescription {
  readonly recipe: Recipe;
  /** What its most demanding method must know of the inputs. */
  readonly evidence: EvidenceKind;
  /** The most that it uses where there is a calibration text; `none` where a text is of no use. */
  readonly usable: EvidenceKind;
  /** Of a large quantized matrix, scales and zero points included; absent where a mixture decides. */
  readonly bitsPerWeight?: number;
  /** Runtimes that load the result. */
  readonly runtimes: readonly string[];
}

export interface LayoutDescription {
  readonly id: string;
  readonly label: string;
  readonly runtimes: readonly string[];
}

/** What recipes can be made of. */
export interface RecipeChoices {
  readonly recipes: readonly RecipeDescription[];
  readonly methods: readonly MethodDescription[];
  readonly layouts: readonly LayoutDescription[];
}

/** Changes of a recipe, each applied to all of its rules that quantize. */
export interface RecipeChanges {
  readonly layout?: string;
  /** Id of a method; its options are then those of `options`, not those of the recipe. */
  readonly method?: string;
  readonly options?: MethodOptions;
  /** Of grids of integers. */
  readonly bits?: number;
  /** Weights that share a scale. */
  readonly group?: GroupShape;
  readonly skip?: readonly string[];
  /** Path of a text, tokens of it, and tokens of a window. */
  readonly calibration?: Recipe['calibration'];
}

/** Which recipe is applied: exactly one of the first three. */
export interface RecipeSelection {
  /** Id of a preset. */
  readonly recipe?: string;
  /** Path of a recipe file. */
  readonly recipeFile?: string;
  /** The text that counts instead of what is in that file: it is being written. */
  readonly recipeText?: string;
  readonly inline?: Recipe;
  readonly changes?: RecipeChanges;
}

/** Which recipe is applied, and how its result is written. */
export interface QuantizeModelSettings extends RecipeSelection {
  /** Largest shard, bytes; 5 GB where absent. */
  readonly maxShardBytes?: number;
}

export interface QuantizeModelParams extends QuantizeModelSettings {
  /** Folder that is made (a file for GGUF). */
  readonly out: string;
  /** Replace a folder that an earlier run wrote. */
  readonly overwrite?: boolean;
  /** For evidence: where a forward pass runs, and the folder where its results are kept. */
  readonly device?: DeviceChoice;
  readonly cacheDir?: string;
  readonly threads?: number;
}

/** Whether a result can be written to a folder or file. */
export interface OutputCheck {
  /** Why it cannot. */
  readonly problem?: string;
  /** There is something that a run would replace, which must be allowed. */
  readonly replaces?: true;
}

/** One tensor of the result. */
export interface PlannedWeight {
  readonly name: string;
  /** Outermost dimension first. */
  readonly shape: readonly number[];
  readonly from: string;
  /** "int4, group 128", or the dtype of a tensor that is kept. */
  readonly to: string;
  readonly quantized: boolean;
  /** Number of the rule of the recipe that applies; absent where none does. */
  readonly rule?: number;
  /** Id of the method. */
  readonly method?: string;
  readonly sourceBytes: number;
  /** All tensors that it is stored in. */
  readonly bytes: number;
  /** Why it is quantized so, or kept: a short sentence. */
  readonly reason: string;
}

/** What a run would do: reads headers only, writes nothing. */
export interface QuantizePreview {
  /** With all changes applied. */
  readonly recipe: Recipe;
  readonly tensors: readonly PlannedWeight[];
  readonly files: readonly { readonly name: string; readonly bytes: number; readonly tensors: number }[];
  /** Whole files of weights, headers included. */
  readonly fileBytes: number;
  readonly dataBytes: number;
  readonly sourceBytes: number;
  readonly parameters: number;
  /** 8 × `dataBytes` / `parameters`; absent for a model without weights. */
  readonly bitsPerWeight?: number;
  readonly evidence: {
    readonly kind: EvidenceKind;
    /** The most that a calibration text would be used for; `none` where it is of no use. */
    readonly usable: EvidenceKind;
    /** Text that is used. */
    readonly text?: string;
    /** Why evidence that is needed cannot be had, and how to give it. */
    readonly missing?: string;
  };
  /** Estimated seconds of quantization and writing, memory of the process and bytes on disk; without a pass over a text. */
  readonly estimate: { readonly seconds: number; readonly memoryBytes: number; readonly diskBytes: number };
  readonly warnings: readonly string[];
  /** What was chosen or left out that the user should know. */
  readonly notes: readonly string[];
}

/** A matrix that is finished. */
export interface QuantizedWeight {
  readonly name: string;
  readonly bytes: number;
  /** ‖ŵ − w‖² / ‖w‖²; 0 for a matrix of zeros. */
  readonly relativeError: number;
  /** The same for rounding to nearest in the same grid, where another method was used. */
  readonly roundingError?: number;
  readonly seconds: number;
  /** What the method knew of the inputs. */
  readonly evidence: EvidenceKind;
}

export interface QuantizeModelResult extends QuantizePreview {
  /** The folder or file. */
  readonly out: string;
  readonly weights: readonly QuantizedWeight[];
  /** Over all matrices that were quantized: Σ‖ŵ − w‖² / Σ‖w‖²; absent for GGUF. */
  readonly relativeError?: number;
  readonly seconds: number;
  /** Most memory of the process while it ran, a pass over a text included (bytes). */
  readonly peakMemory: number;
}
