import type { CausesResult, ChatResult, PanelChat, PanelVariant } from '../chat';
import type { EngineProgress } from '../engine';
import type { CalibrationSettings, PairedComparison } from '../evaluation';
import type { EvaluationView, PanelEvaluation } from '../evaluationView';
import type { EvidenceEstimate, EvidenceResult } from '../evidence';
import type { PreviewResult, PreviewSettings } from '../preview';
import type { RefinementEstimate } from '../refinement';
import type { PanelRefinement, RefinementView } from '../refinementView';

/** Runs of the model, and training. */
export type RunPageRequests = {
  /** What a calibration on a text would take. */
  estimateCalibration: {
    params: { text: string; tokens?: number; context?: number };
    result: EvidenceEstimate;
  };
  /** Runs the model over a text and keeps what methods need to know of the inputs of all matrices. */
  calibrateInputs: { params: { text: string }; result: EvidenceResult; progress: EngineProgress };
  openRefinement: { params: Record<string, never>; result: RefinementView };
  /** What a refinement would take; one step is made for it. The settings are kept for the next editor of this file. */
  estimateRefinement: {
    params: { settings: PanelRefinement };
    result: RefinementEstimate;
    progress: EngineProgress;
  };
  /** Asks for a target and starts, or writes the best state of a run that was stopped; `refinement` events report its progress. */
  refine: { params: { settings: PanelRefinement; finish?: boolean }; result: void };
  /** Stops the refinement, and writes its best state where that is better than the start. */
  stopRefinement: { params: Record<string, never>; result: void };
  /** Continues the last refinement, in a new process if the old one died. */
  continueRefinement: { params: Record<string, never>; result: void };
  /** Writes the best state that the last refinement has reached. */
  finishRefinement: { params: Record<string, never>; result: void };
  /** What to do with the refined file. */
  useRefined: { params: { what: 'open' | 'compare' | 'evaluate' }; result: void };
  /** Opens the page that refines: of this file, or of a GGUF file that is asked for, whose original is this model. */
  refineFile: { params: Record<string, never>; result: void };
  openEvaluation: { params: Record<string, never>; result: EvaluationView };
  /** Keeps the form for the next editor of this model. */
  keepEvaluationForm: { params: { form: unknown }; result: void };
  /** Starts a run; `evaluation` events report its progress. */
  evaluate: { params: { settings: PanelEvaluation }; result: void };
  /** Asks for a target and computes an importance matrix; the same events. */
  calibrate: { params: { settings: CalibrationSettings }; result: void };
  cancelEvaluation: { params: Record<string, never>; result: void };
  /** Repeats the last run, in a new process if the old one died. */
  repeatEvaluation: { params: Record<string, never>; result: void };
  /** Errors of each block and of the output, were the model quantized as a recipe says. */
  previewRecipe: {
    params: { settings: Omit<PreviewSettings, 'device'> };
    result: PreviewResult;
    progress: EngineProgress;
  };
  /** The model and a variant go on with a conversation; the progress has the answers so far. */
  chat: { params: { settings: PanelChat }; result: ChatResult; progress: EngineProgress };
  /** The tensors whose errors moved the distribution of the token after some others. */
  chatCauses: {
    params: { variant: PanelVariant; tokens: readonly number[] };
    result: CausesResult;
    progress: EngineProgress;
  };
  pairResults: { params: { a: string; b: string }; result: PairedComparison };
  /** Asks for confirmation and removes a stored result. */
  removeResult: { params: { id: string }; result: void };
};
