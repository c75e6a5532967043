/**
 * What the extension Quantscope offers to other extensions, version 1. This file may be copied into an extension; it needs `@types/vscode` only.
 * Within a version nothing is removed or changes its meaning. Things are added: values of unions too, so handle those that you do not know.
 */
import type { CancellationToken, Disposable, Event, Uri } from 'vscode';

/** The exports of the extension `quantscope.quantscope`. */
export interface QuantscopeExports {
  /** @throws QuantscopeError UNSUPPORTED for a version that the installed Quantscope does not have. */
  getApi(version: 1): QuantscopeApi;
}

export interface QuantscopeApi {
  /** Of this interface, by semver: "1.0.0". */
  readonly version: string;
  /**
   * The models of the workspace, each by the file that identifies it.
   * @throws QuantscopeError where they cannot be looked for.
   */
  findModels(): Promise<readonly Uri[]>;
  /**
   * Reads the headers of a model: a folder, an index or any file of it; `file:`, or the document of one on a server that an editor shows.
   * @throws QuantscopeError for what is no model, or cannot be read.
   */
  openModel(uri: Uri, token?: CancellationToken): Promise<Model>;
  /** Opens a model in its editor, or brings that to the front; with `tensor`, selects it. */
  showModel(uri: Uri, options?: { readonly tensor?: string }): Promise<void>;
}

/** An open model. Dispose of it to end what it still does: calls that run then reject with CANCELLED, and later ones too. */
export interface Model extends Disposable {
  /** The file that identifies the model, or what was opened. */
  readonly uri: Uri;
  /** As its headers were read last. */
  readonly description: ModelDescription;
  /** The plan that an editor of the model shows, saved or not; undefined where there is no editor or no plan. */
  readonly shownPlan: Plan | undefined;
  /** Fires after something about the model has changed. */
  readonly onDidChange: Event<ModelChange>;
  /**
   * Statistics of the weights of a tensor, over all of them. Quantized tensors are decoded.
   * @throws QuantscopeError REQUEST for an unknown tensor, MODEL_FILE or UNSUPPORTED where it cannot be read.
   */
  statistics(tensor: string, token?: CancellationToken): Promise<TensorStatistics>;
  /** What earlier runs measured by the settings of the model's workspace folder; nothing is measured. Empty where there is nothing. */
  sensitivities(token?: CancellationToken): Promise<readonly TensorSensitivity[]>;
  /** The plan files (`*.ampq.json`) next to the model that are for it. */
  planFiles(token?: CancellationToken): Promise<readonly Uri[]>;
  /** @throws QuantscopeError for a file that is no plan of this model. */
  readPlan(file: Uri, token?: CancellationToken): Promise<Plan>;
  /**
   * The best formats for a goal, as `quantscope recommend` finds them. Measures what earlier runs have not, which takes minutes or more, unless
   * `weightsOnly`. Writes no file besides the caches.
   * @throws QuantscopeError REQUEST for a goal that cannot be reached, CANCELLED.
   */
  recommend(goal: PlanGoal, options?: RecommendOptions): Promise<Plan>;
}

/**
 * `files`: its files were written, and `description` is that of the new ones. `sensitivities`: an editor measured. `plans`: plan files, or the plan
 * of an editor.
 */
export type ModelChange = 'files' | 'sensitivities' | 'plans';

export interface ModelDescription {
  readonly name: string;
  readonly format: 'safetensors' | 'pytorch' | 'gguf';
  /** As its files name it: "llama". */
  readonly architecture?: string;
  /** Those of the tensors whose shape is known. */
  readonly parameters: number;
  /** Of the data of all tensors. */
  readonly bytes: number;
  /** In the order of the files. */
  readonly tensors: readonly Tensor[];
  /** Irregularities, as sentences in English. */
  readonly warnings: readonly string[];
  /** What loading the model in Python could run, as sentences in English. */
  readonly dangers: readonly string[];
}

export interface Tensor {
  readonly name: string;
  /** As the file spells it: "BF16", "Q4_K". */
  readonly dtype: string;
  /** Outermost dimension first: a linear layer is `[out, in]`. */
  readonly shape: readonly number[];
  readonly elements: number;
  readonly bytes: number;
  /** False where data is missing or the dtype cannot be decoded. */
  readonly readable: boolean;
}

/** Over the finite weights. NaN: not defined for them. */
export interface TensorStatistics {
  readonly count: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  /** Of the population. */
  readonly standardDeviation: number;
  /** Fourth standardised moment: 3 for a normal distribution. */
  readonly kurtosis: number;
  readonly zeros: number;
  readonly nans: number;
  readonly infinities: number;
  /** Exact order statistics. */
  readonly percentiles: readonly { readonly percent: number; readonly value: number }[];
}

export interface TensorSensitivity {
  /** Its name in the exported file. */
  readonly tensor: string;
  /** The tensors of the model that it is made of. */
  readonly sources: readonly string[];
  /** KL divergence of the output, nats per token, per unit of relative squared error; where the model was run over a text. */
  readonly gain?: number;
  readonly formats: readonly {
    readonly format: string;
    readonly bitsPerWeight: number;
    readonly bytes: number;
    /** Σ (quantized − original)² / Σ original², or the same of outputs where codes are optimised. */
    readonly relativeSquaredError: number;
    /** gain × error, nats per token; where the gain is known. */
    readonly divergence?: number;
  }[];
}

/** Exactly one goal. */
export type PlanGoal =
  /** Average over the tensors that formats are chosen for. */
  | { readonly bitsPerWeight: number }
  /** Of the exported GGUF file. */
  | { readonly bytes: number }
  /** The smallest file whose predicted mean KL divergence is at most this, nats per token. */
  | { readonly divergence: number }
  /** Bytes that llama.cpp may use to run it, with so many tokens of context. */
  | { readonly memory: number; readonly context?: number };

export interface RecommendOptions {
  /** UTF-8 text to run the model over; a text next to the model, else a general one, where it is absent. */
  readonly text?: Uri;
  /** By the errors of the weights alone: seconds instead of minutes. */
  readonly weightsOnly?: boolean;
  /** `share`: of the current step, from 0 to 1. */
  readonly onProgress?: (progress: { readonly message: string; readonly share: number }) => void;
  readonly token?: CancellationToken;
}

export interface Plan {
  /** Average over the assigned tensors. */
  readonly bitsPerWeight: number;
  /** Tensor data of the whole model. */
  readonly bytes: number;
  /** Of the exported GGUF file, where that is known. */
  readonly fileBytes?: number;
  /** Predicted mean KL divergence, nats per token; where it can be predicted. */
  readonly divergence?: number;
  /** What its figures rest on, in English. */
  readonly evidence: string;
  readonly assignments: readonly {
    /** Its name in the exported file. */
    readonly tensor: string;
    readonly sources: readonly string[];
    readonly format: string;
    readonly bitsPerWeight: number;
    readonly bytes: number;
  }[];
  readonly notes: readonly string[];
  /** The content of a `*.ampq.json` file: save it next to the model to use it in the editor and in exports. */
  readonly json: string;
}

/** What all calls reject with. */
export interface QuantscopeError extends Error {
  readonly code:
    'MODEL_FILE' | 'IO' | 'REQUEST' | 'UNSUPPORTED' | 'DEVICE' | 'CANCELLED' | 'ENGINE_DIED' | 'INTERNAL';
  /** What it is about, as far as known; `offset` in bytes. The message names it, too. */
  readonly place: { readonly file?: string; readonly tensor?: string; readonly offset?: number };
}
