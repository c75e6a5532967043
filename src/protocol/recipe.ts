import type { Grid } from './grids';
import type { GgmlQuantType } from './ggmlTypes';

/** What a method must know of the inputs of a matrix, in the order of their cost; `gradients` are a Hessian and the gradients at the outputs. */
export type EvidenceKind = 'none' | 'importance' | 'hessian' | 'activations' | 'gradients';

/** An option of a method, as lists and the schema of recipes show it. */
export type OptionDescription = {
  readonly name: string;
  /** One sentence. */
  readonly description: string;
} & (
  | { readonly type: 'number'; readonly default: number; readonly minimum: number; readonly maximum: number }
  | { readonly type: 'boolean'; readonly default: boolean }
  | { readonly type: 'choice'; readonly default: string; readonly choices: readonly string[] }
);

export type MethodOptions = Readonly<Record<string, number | boolean | string>>;

/** A method as lists show it. `id` is what users type: "gptq". */
export interface MethodDescription {
  readonly id: string;
  readonly label: string;
  /** One or two sentences. */
  readonly description: string;
  readonly evidence: EvidenceKind;
  /** Evidence that it does without, but uses where there is a calibration. */
  readonly improvedBy?: EvidenceKind;
  readonly options: readonly OptionDescription[];
}

/** A method and the options that differ from its defaults. */
export interface MethodChoice {
  readonly id: string;
  readonly options?: MethodOptions;
}

/** How the matrices of some modules are quantized. */
export interface RecipeRule {
  /** Regular expression over the names of tensors; every matrix of a linear layer where it is absent. The first rule that matches applies. */
  readonly match?: string;
  /** A grid, a ggml type (GGUF), or `keep`: as the model has it. */
  readonly grid: Grid | { readonly ggml: GgmlQuantType } | 'keep';
  /** Scales and arithmetic are in the dtype of each weight, whatever the grid says (compressed-tensors). */
  readonly weightDtype?: true;
  /** Rounding to nearest where it is absent. */
  readonly method?: MethodChoice;
}

/** Rounding of the inputs of quantized matrices while the model runs (W8A8, FP8). */
export interface ActivationRecipe {
  readonly levels: Grid['levels'];
  /** Scales from each token's row while it runs, or fixed from calibration. */
  readonly scale: 'token' | 'tensor' | 'static';
}

/**
 * What is done to a model: plain data that the palette, the editor, the command line and files share
 * (schema: `schemas/recipe.schema.json`).
 */
export interface Recipe {
  readonly version: 1;
  /** "gptq-int4-g128". */
  readonly id: string;
  readonly label: string;
  readonly description: string;
  /** Id of the layout that matrices are stored in. */
  readonly layout: string;
  readonly target: 'checkpoint' | 'gguf' | 'onnx';
  /** Of GGUF files: the preset of llama.cpp ("Q4_K_M") whose mixture of types applies where no rule matches. */
  readonly fileType?: string;
  /** Of GGUF files: how the codes of all tensors are found; as llama.cpp does where it is absent. */
  readonly method?: MethodChoice;
  readonly rules: readonly RecipeRule[];
  /** Modules that are not quantized, as `modules_to_not_convert` names them; `lm_head` where it is absent. */
  readonly skip?: readonly string[];
  readonly activations?: ActivationRecipe;
  /** Text for evidence, and how much of it. */
  readonly calibration?: { readonly text?: string; readonly tokens?: number; readonly context?: number };
}
