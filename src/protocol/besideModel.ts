import type { SavedPlan } from './savedPlans';

/** An evaluation of a model that was kept. */
export interface KeptEvaluation {
  readonly id: string;
  /** When it ended, ISO 8601. */
  readonly at: string;
  /** "original", "Q4_K_M", "tiny.ampq.json". */
  readonly variant: string;
  /** Absolute path of the text; absent where only tasks were run. */
  readonly text?: string;
  readonly perplexity?: number;
  /** Mean KL divergence from the original, nats per token. */
  readonly divergence?: number;
}

/** What runs of the sensitivity analysis have left of a model. */
export interface KeptMeasurements {
  /** Tensors with at least one measured format. */
  readonly tensors: number;
  /** Absolute path of the text that the model was run over; absent where only its weights were measured. */
  readonly text?: string;
}

/** A file that was made from a model, as the digests beside it say. */
export interface MadeFile {
  /** Absolute path. */
  readonly file: string;
  /** What was done: "gguf", "onnx", "checkpoint", … */
  readonly action: string;
}

/** What was made from a model so far: plans and measurements that are for it, and files that were written from it. */
export interface BesideModel {
  readonly plans: readonly SavedPlan[];
  readonly measurements?: KeptMeasurements;
  /** The latest first. */
  readonly evaluations: readonly KeptEvaluation[];
  /** In the order of their paths. */
  readonly made: readonly MadeFile[];
}
