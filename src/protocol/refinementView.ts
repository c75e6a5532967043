import type { EngineProgress } from './engine';
import type { RefinementPoint, RefinementResult, RefinementSettings } from './refinement';
import type { RunFailure } from './runFailure';

/** Settings of the page that refines: the device is that of the editor. */
export type PanelRefinement = Omit<RefinementSettings, 'device'>;

/** How a refinement ended. */
export type RefinementOutcome =
  | {
      readonly kind: 'refined';
      readonly result: RefinementResult;
      /** Whether it was stopped before its last step: then it can be continued. */
      readonly wasStopped: boolean;
    }
  | RunFailure;

/** The current or last refinement of a file; it outlives the editor. */
export interface RefinementActivity {
  /** Increases with every run. */
  readonly run: number;
  /** "plan.gguf → plan-refined.gguf". */
  readonly title: string;
  readonly settings: PanelRefinement;
  readonly progress?: EngineProgress;
  /** Steps in all, and the divergence at those where it was measured; absent until the first measurement. */
  readonly curve?: { readonly steps: number; readonly points: readonly RefinementPoint[] };
  /** Set where a run writes the best state of the one before, without further steps. */
  readonly isFinishing?: true;
  /** Set once the run was asked to stop, until it has. */
  readonly isStopping?: true;
  /** Absent while it runs. */
  readonly outcome?: RefinementOutcome;
}

/** What the page that refines needs for its first rendering. */
export interface RefinementView {
  readonly activity?: RefinementActivity;
  /** The settings that were used last. */
  readonly settings?: PanelRefinement;
  readonly suggestions: {
    /** The model that the file was made from, as far as it is known, and a text next to either. */
    readonly original?: string;
    readonly text?: string;
  };
}
