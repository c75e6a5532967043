import type { TensorComparison } from './analysis';
import type { ModelComparison, OtherModel, ThreeWayComparison } from './compare';
import type { EngineProgress } from './engine';
import type { FormatDescription } from './formats';
import type { MeasuredWith } from './measuredWith';
import type { ModelPart } from './model';
import type { DeviceReport } from './device';
import type { PlanOutline } from './planOutline';
import type { Rung } from './rungs';
import type { PackedModel } from './tensorTable';
import type { VerifyResult } from './verify';

/** Which measurements there are; the table itself crosses when its view opens. */
export interface TableOutline {
  /** Increases with every other table. */
  readonly revision: number;
  /** Useful budgets of plans, bits per weight; absent for a table without rows. */
  readonly budgets?: { readonly min: number; readonly max: number };
  /** Divergences below it are not meaningful, nats per token; absent where the model was not run over a text. */
  readonly noise?: number;
  /** What divergences rest on, or errors where the model was not run over a text; and what they were measured with. */
  readonly rung: Rung;
  readonly measuredWith: MeasuredWith;
  /** Whether there are gains for plans of few bits; absent where the others cannot go with such. */
  readonly hasFewBits?: boolean;
}

/**
 * What the editor needs to render, initially and after the model's files changed. Measurements and plan are requested by their views:
 * those of a large model are many times the size of its header.
 */
export interface EditorState {
  readonly model: PackedModel;
  /** Increases when the files have changed: results of an earlier revision are out of date. */
  readonly revision: number;
  readonly formats: readonly FormatDescription[];
  readonly device?: DeviceReport;
  /** Present once something has been measured, now or earlier. */
  readonly sensitivity?: TableOutline;
  readonly plan?: PlanOutline;
  readonly job: JobState;
  /** Comparisons that were started before the page was loaded, or in another editor. */
  readonly comparison?: ComparisonState;
  readonly modelComparison?: ModelComparisonState;
  /** Present once files with digests were looked at. */
  readonly verification?: VerificationState;
  /** Present where the editor was opened with one file of a larger model. */
  readonly part?: ModelPart;
  /** Tensor to show first (from a hover link or a command); the selection is unchanged when absent. */
  readonly reveal?: string;
  /** Tab to show first (from a command). */
  readonly tab?: CommandTab;
}

/**
 * What a command can open: a page, or one of its modes. `quantize` are several tensors in formats, `methods` one by recipes;
 * `importance` and `chat` are modes of Evaluate.
 */
export type CommandTab =
  | 'tensor'
  | 'quantize'
  | 'methods'
  | 'quantizeModel'
  | 'plan'
  | 'sensitivity'
  | 'compare'
  | 'export'
  | 'refine'
  | 'evaluate'
  | 'importance'
  | 'chat';

/** The one long job an editor can have: what the progress line shows. */
export type JobState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'running'; readonly title: string; readonly progress?: EngineProgress }
  | { readonly kind: 'failed'; readonly title: string; readonly message: string }
  /** The engine process ended; `resumable` when another run continues from finished work. */
  | {
      readonly kind: 'engine-died';
      readonly title: string;
      readonly message: string;
      readonly resumable: boolean;
    };

/** A check of the model's files against the digests that were written with them. */
export type VerificationState =
  | { readonly kind: 'checking'; readonly progress: EngineProgress }
  /** `isQuick`: of sizes and headers only. */
  | { readonly kind: 'done'; readonly result: VerifyResult; readonly isQuick: boolean };

/** The before/after comparison that Quantize Layer… shows. */
export interface ComparisonState {
  readonly formats: readonly string[];
  /** Tensors asked for; `results` fills up in this order. */
  readonly tensors: readonly string[];
  readonly results: readonly TensorComparison[];
  readonly done: boolean;
  readonly error?: string;
}

/** Comparison with another model, as the Compare tab shows it. */
export interface ModelComparisonState extends OtherModel {
  readonly progress?: EngineProgress;
  readonly result?: ModelComparison;
  /** A third model, of which it is asked which of both is closer to this one. */
  readonly third?: string;
  readonly three?: ThreeWayComparison;
  readonly error?: string;
}
