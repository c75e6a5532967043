import type { PairsResult } from './embedding';
import type { Estimate } from './estimate';
import type { Objective } from './export';
import type { ModelRef } from './model';
import type { Device, DeviceChoice } from './device';
import type { RecipeSelection } from './quantizeModel';

/** How a text is cut into windows and which of their tokens are scored. */
export type WindowConvention =
  /** llama.cpp's perplexity: adjacent windows, each with BOS where the model requires it; the second half is scored. */
  | 'llama.cpp'
  /** Windows that begin `stride` tokens apart; every token is scored once, by the first window that predicts it. */
  | 'sliding';

export interface WindowSettings {
  readonly convention?: WindowConvention;
  /** Tokens of a window; 512, or the model's context length where that is less. */
  readonly context?: number;
  /** Of the sliding convention: tokens from one window's start to the next; `context` when absent. */
  readonly stride?: number;
  /** Maximum number of windows; all that the text fills when absent. */
  readonly windows?: number;
}

/** How the weights change before the run; at most one. The original when none is set. */
export interface WeightVariant {
  /** A `*.ampq.json` file. */
  readonly planFile?: string;
  /** A GGUF file type with llama.cpp's mixture ("Q4_K_M"). */
  readonly type?: string;
  /** A format of the catalogue, for every matrix of the blocks that it fits. */
  readonly format?: string;
  /** What a recipe for checkpoints would write, and how the runtime rounds inputs where the recipe says so. */
  readonly recipe?: RecipeSelection;
}

/** What to run and on what. */
export interface EvaluationSettings extends WindowSettings, WeightVariant {
  /** UTF-8 text whose tokens are scored. */
  readonly text?: string;
  /** Multiple-choice questions, JSONL: {"question", "choices", "answer"}. */
  readonly tasks?: string;
  /** Instead of both, for a model that embeds texts: pairs of texts, JSONL: {"query", "document"}. */
  readonly pairs?: string;
  /** Importance matrix for the formats of `type`, `planFile` or `format`. */
  readonly imatrix?: string;
  /**
   * Model whose distributions the KL divergence is measured from. With a weight variant it is the model itself unless another is
   * named; without either there is no divergence.
   */
  readonly against?: string;
  /** Rounds inputs of quantized matrices to 8 bits, as llama.cpp's CPU kernels do. */
  readonly roundActivations?: boolean;
  /** `auto` keeps the whole model in memory when it fits, else one block at a time. */
  readonly memory?: 'auto' | 'whole' | 'streamed';
  readonly device: DeviceChoice;
}

export interface EvaluationParams extends EvaluationSettings, ModelRef {
  /** Folder where results and the bases' outputs are kept. */
  cacheDir: string;
  threads?: number;
}

/** KL divergence of a run from its base, in nats per scored token. */
export interface Divergence {
  /** Label of the base ("the original", or the name of another model). */
  readonly base: string;
  /** Identity of the base and how it was run; divergences from the same one can be compared. */
  readonly baseHash: string;
  readonly mean: Estimate;
  readonly median: number;
  readonly percentile99: number;
  readonly percentile999: number;
  readonly max: number;
  /** Share of tokens whose most probable token is that of the base, 0 to 1. */
  readonly sameTopToken: Estimate;
  /** Change of the probability of the text's token, p − p(base): mean and root of the mean square. */
  readonly deltaP: Estimate;
  readonly deltaPRms: number;
  /** ln(perplexity / perplexity of the base), tokens paired. */
  readonly logPerplexityRatio: Estimate;
}

/** Accuracy on multiple-choice questions: the choice with the largest log-likelihood is the answer given. */
export interface TaskResult {
  readonly file: string;
  readonly questions: number;
  readonly accuracy: Estimate;
  /** By the log-likelihood divided by the choice's bytes. */
  readonly normalizedAccuracy: Estimate;
}

/** Speed and memory of a run. */
export interface RunMeasures {
  /** Wall time of everything, seconds. */
  readonly seconds: number;
  /** Transformer only: input tokens / seconds in blocks and output, weight loading included. */
  readonly tokensPerSecond: number;
  /** Generation with a cache of keys and values, whole-model runs only: ms until the first token of a full window, ms for each that follows. */
  readonly firstTokenMs?: number;
  readonly nextTokenMs?: number;
  /** Bytes of weights, keys and values that a following token reads / its time. */
  readonly bytesPerSecond?: number;
  /** Measured memory copy bandwidth, read + written bytes per second. */
  readonly copyBytesPerSecond?: number;
  /** Peak resident memory of the process, bytes. */
  readonly peakMemory: number;
  /** Bytes of the weights of one block as they are computed with (float32). */
  readonly blockBytes: number;
  readonly memory: 'whole' | 'streamed';
}

/** A finished run. */
export interface EvaluationResult {
  /** Names the result in the store. */
  readonly id: string;
  /** When it ended, ISO 8601. */
  readonly at: string;
  readonly model: { readonly name: string; readonly path: string; readonly hash: string };
  /** "original", "Q4_K_M", "tiny.ampq.json": what the table shows. */
  readonly variant: string;
  /** Bytes of all tensors in this variant, and 8 × that / parameters. */
  readonly bytes: number;
  readonly bitsPerWeight: number;
  readonly roundActivations: boolean;
  /** What the optimised codes of a plan minimise; absent for other codes. */
  readonly objective?: Objective;
  /** Absent where only tasks were run. */
  readonly text?: {
    readonly path: string;
    /** SHA-256 of the tokens that were used, and how they were cut: results of the same value can be paired. */
    readonly hash: string;
    readonly convention: WindowConvention;
    readonly context: number;
    readonly stride: number;
    readonly windows: number;
    readonly scoredTokens: number;
    /** Nats per scored token. */
    readonly loss: Estimate;
    readonly perplexity: Estimate;
    readonly divergence?: Divergence;
  };
  readonly tasks?: TaskResult;
  readonly pairs?: PairsResult;
  readonly measures: RunMeasures;
  readonly device: Device;
  readonly deviceLabel: string;
  /** Why the result is not kept for later; absent when it is. */
  readonly notKept?: string;
}

/** Two results on the same tokens; positive differences mean that `a` is worse. */
export interface PairedComparison {
  readonly a: string;
  readonly b: string;
  readonly scoredTokens: number;
  /** Mean of loss(a) − loss(b), nats. */
  readonly loss: Estimate;
  /** Mean of KLD(a) − KLD(b); where both were measured from the same base. */
  readonly divergence?: Estimate;
}

/** A point of the live curve: figures over all tokens scored so far. */
export interface EvaluationPoint {
  readonly windows: number;
  readonly perplexity: number;
  /** Mean KL divergence. */
  readonly divergence?: number;
}

/** How the figures of a run have changed so far. */
export interface EvaluationCurve {
  /** Windows that the run will score. */
  readonly windows: number;
  /** One per window, thinned where there are many. */
  readonly points: readonly EvaluationPoint[];
}

/** What an importance matrix is computed from. */
export interface CalibrationSettings extends WindowSettings {
  readonly text: string;
  /** The output matrix, too (llama-imatrix: --process-output). */
  readonly processOutput?: boolean;
  /** Safetensors file for mean, mean square and largest magnitude of every input channel (float32). */
  readonly statistics?: string;
  /** Folder for XᵀX of the inputs of every matrix (float32): a safetensors file for each input. */
  readonly hessians?: string;
  readonly device: DeviceChoice;
  readonly memory?: 'auto' | 'whole' | 'streamed';
}

export interface CalibrationParams extends CalibrationSettings, ModelRef {
  /** `.gguf` or `.dat`: an importance matrix as llama.cpp reads it. */
  out: string;
  threads?: number;
}

export interface CalibrationResult {
  readonly out: string;
  readonly entries: number;
  readonly chunks: number;
  readonly tokens: number;
  readonly perplexity: Estimate;
  readonly statistics?: string;
  readonly hessians?: string;
  readonly measures: RunMeasures;
}

/** How a plan is measured as a whole; the text is cut by llama.cpp's convention. Activations are rounded where the plan counts it, too. */
export interface CertifyParams
  extends
    ModelRef,
    Pick<EvaluationSettings, 'context' | 'windows' | 'roundActivations' | 'memory' | 'device'> {
  /** A `*.ampq.json` file. */
  readonly planFile: string;
  /** A GGUF file of the same base: the plan is measured against the weights that it holds, too. */
  readonly rival?: string;
  /** UTF-8 text that neither the gains nor the codes of the plan have seen. */
  readonly text: string;
  /** The importance matrix of the plan, if it was made with one. */
  readonly imatrix?: string;
  /** Improves the plan by measured swaps of formats: the folder of sensitivity results that these are proposed from. */
  readonly improveFrom?: string;
  /** Folder where what was measured is kept: a run that was stopped measures the rest only. */
  readonly cacheDir: string;
  readonly threads?: number;
}
