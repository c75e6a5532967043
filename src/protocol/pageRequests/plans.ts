import type { EngineProgress } from '../engine';
import type { FitRequest, FittingBits } from '../fit';
import type { OverrideKind } from '../overrides';
import type { Budget, PlanConstraint } from '../plan';
import type { FormatBinding, FormatReasons, PlanFront } from '../planFront';
import type { PlanStep } from '../planStep';
import type { OtherChoice, OtherPlan, SavedPlan } from '../savedPlans';
import type { SensitivityFigures } from '../sensitivityFigures';
import type { SensitivityEstimate } from '../sensitivityRun';

/** Measurements and plans. */
export type PlanPageRequests = {
  /** What a run of the sensitivity analysis would do, and how long it takes; a second or two of it is run for that. */
  estimateSensitivity: { params: Record<string, never>; result: SensitivityEstimate };
  runSensitivity: { params: Record<string, never>; result: void };
  /** Measures gains for plans of few bits, over the text of those that there are. */
  runForFewBits: { params: Record<string, never>; result: void };
  /** Asks for a text and measures how each tensor affects the output on it. */
  runSensitivityOverText: { params: Record<string, never>; result: void };
  cancelJob: { params: Record<string, never>; result: void };
  /** Continues the job whose process ended, in a new one. */
  resumeJob: { params: Record<string, never>; result: void };
  /** The measurements, as far as they are there; undefined where nothing was measured. */
  sensitivityFigures: {
    params: Record<string, never>;
    result: { revision: number; figures: SensitivityFigures } | undefined;
  };
  /** The plan, undefined where there is none. `since`: revision of the plan that the page has. */
  plan: { params: { since?: number }; result: PlanStep | undefined };
  /**
   * Solves again for a budget; while a slider is `moving` in a few milliseconds, which may miss the optimum by very little. Rejected while
   * the plan is one that was edited in its file.
   */
  solvePlan: { params: { budget: Budget; since?: number; moving: boolean }; result: PlanStep };
  /** The best plans of all sizes under the constraints of the plan, and the presets; undefined where nothing was measured. */
  planFront: { params: Record<string, never>; result: PlanFront | undefined };
  /** Why the plan gives a tensor its format, and what others would cost. */
  formatReasons: { params: { tensor: string }; result: FormatReasons };
  /** Solves again at the size of the plan with these constraints; a `plan` event follows. Rejected as `solvePlan`, and where no plan meets them. */
  constrainPlan: { params: { constraints: readonly PlanConstraint[] }; result: void };
  /** The same after some tensors, by their names in the plan, were pinned to a format, kept from one, or released. */
  bindFormats: { params: { tensors: readonly string[]; binding: FormatBinding }; result: void };
  /** Pins a tensor of the model, by its name there, to a format of the plan. Rejected without a plan that lists both. */
  pinInPlan: { params: { tensor: string; format: string }; result: void };
  /** The fewest bits per weight whose plan is predicted to diverge by at most so much (nats per token), under the constraints of the plan. */
  smallestBudget: { params: { divergence: number }; result: { bitsPerWeight: number } };
  /**
   * Makes the best plan whose model fits into a memory, or into a GPU's and RAM together, when llama.cpp runs it, under the constraints of the plan;
   * a `plan` event follows.
   */
  fitPlan: { params: { request: FitRequest }; result: FittingBits };
  /** Plan files next to the model, and plans that were measured in this window, with what was measured of them. */
  savedPlans: { params: Record<string, never>; result: readonly SavedPlan[] };
  /** Makes one of them the plan; a `plan` event follows. Rejected for a file that is not a plan of the model by now. */
  showPlan: { params: { file: string }; result: void };
  /** A preset, a plan file or the file that the plan is to beat, to be compared with the plan. Rejected for a preset that was not measured, and a plan of another model. */
  otherPlan: { params: { other: OtherChoice }; result: OtherPlan };
  /** Replaces a plan that was edited in its file by the solver's of its size, or takes it up again; the file is unchanged. */
  replaceEditedPlan: { params: { replace: boolean }; result: void };
  /**
   * Measures the plan as a whole over a text that it has not seen, solved for the budget first where one is given and then improved by measured
   * swaps where that is asked for; a `plan` event follows.
   * `isShown`: whether the result is about the plan that is shown by then.
   */
  measurePlan: {
    params: { text: string; windows?: number; improve?: boolean; budget?: Budget };
    result: { isShown: boolean; notKept?: string };
    progress: EngineProgress;
  };
  /** Asks for a GGUF file of the same base and solves for its bytes; a `plan` event follows, and those of a job where something is to be measured. */
  beatFile: { params: Record<string, never>; result: void };
  /** Texts next to the model. */
  textsBeside: { params: Record<string, never>; result: { text?: string; calibrationText?: string } };
  /** Asks for a target and writes the plan, solved for the budget first where one is given. */
  savePlan: { params: { budget?: Budget }; result: { out: string } | undefined };
  /** Asks for a target and writes the plan as settings of another tool; undefined when the user cancelled. */
  saveOverrides: {
    params: { kind: OverrideKind; budget?: Budget };
    result: { notes: readonly string[] } | undefined;
  };
};
