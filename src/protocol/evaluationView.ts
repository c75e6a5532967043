import type { EngineProgress } from './engine';
import type { CalibrationResult, EvaluationCurve, EvaluationResult, EvaluationSettings } from './evaluation';
import type { DeviceChoice } from './device';
import type { RunFailure } from './runFailure';

/** Settings of the Evaluate tab; `usePlan` stands for the editor's plan. */
export type PanelEvaluation = EvaluationSettings & { usePlan?: boolean };

/** How a run ended. */
export type EvaluationOutcome =
  | {
      readonly kind: 'evaluated';
      readonly id: string;
      /** Why the result is not kept, and so not among the results. */
      readonly notKept?: string;
    }
  | { readonly kind: 'calibrated'; readonly result: CalibrationResult }
  | RunFailure;

/** The current or last run of a model; it outlives the editor. */
export interface EvaluationActivity {
  readonly what: 'evaluation' | 'calibration';
  /** "Q4_K_M on eval.txt". */
  readonly title: string;
  readonly progress?: EngineProgress;
  /** Absent until a window is scored. */
  readonly curve?: EvaluationCurve;
  /** Absent while it runs. */
  readonly outcome?: EvaluationOutcome;
}

/** What the Evaluate tab needs for its first rendering. */
export interface EvaluationView {
  readonly activity?: EvaluationActivity;
  readonly results: readonly EvaluationResult[];
  /** Why earlier results cannot be read. */
  readonly problem?: string;
  /** The form as last edited; only the webview knows its content. */
  readonly form?: unknown;
  readonly suggestions: {
    /** Texts next to the model. */
    readonly text?: string;
    readonly calibrationText?: string;
    /** The model that this one was quantized from. */
    readonly against?: string;
    readonly device: DeviceChoice;
  };
}
