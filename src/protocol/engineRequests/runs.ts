import type { CausesParams, CausesResult, ChatParams, ChatResult } from '../chat';
import type {
  CalibrationParams,
  CalibrationResult,
  EvaluationParams,
  EvaluationResult,
  PairedComparison,
} from '../evaluation';
import type { EvidenceEstimate, EvidenceParams, EvidenceResult, StoredEvidence } from '../evidence';
import type { ModelRef } from '../model';
import type { PreviewParams, PreviewResult } from '../preview';
import type {
  RefinementEstimate,
  RefinementParams,
  RefinementResult,
  RunRefinementParams,
} from '../refinement';

/** Runs of a model, what they measure and what is trained by them. */
export interface RunRequests {
  /** Runs the model over a text or tasks, or embeds pairs of texts with it. */
  'evaluation/run': { params: EvaluationParams; result: EvaluationResult };
  /** Errors of each block and of the output, were a model quantized as a recipe says. */
  'evaluation/preview': { params: PreviewParams; result: PreviewResult };
  /** A model and a variant of it go on with a conversation, each with its own choices; its progress has the answers so far. */
  'chat/run': { params: ChatParams; result: ChatResult };
  /** The tensors whose errors moved the distribution of the token after some others. */
  'chat/causes': { params: CausesParams; result: CausesResult };
  /** Results of earlier runs of a model, latest first. */
  'evaluation/stored': {
    params: ModelRef & { cacheDir: string };
    result: readonly EvaluationResult[];
  };
  'evaluation/remove': { params: ModelRef & { cacheDir: string; id: string }; result: void };
  /** Two stored results on the same tokens, token by token. */
  'evaluation/pair': {
    params: ModelRef & { cacheDir: string; a: string; b: string };
    result: PairedComparison;
  };
  /** Importance matrix of a model from a text. */
  'calibration/run': { params: CalibrationParams; result: CalibrationResult };
  /** Measures what methods need of the inputs of matrices, and keeps it. */
  'evidence/run': { params: EvidenceParams; result: EvidenceResult };
  'evidence/estimate': { params: EvidenceParams; result: EvidenceEstimate };
  /** What is kept from the latest pass over any text. */
  'evidence/stored': { params: ModelRef & { cacheDir: string }; result: StoredEvidence | undefined };
  /** Trains a copy of a GGUF file on the output of its original, and writes its best state. */
  'refinement/run': { params: RunRefinementParams; result: RefinementResult };
  'refinement/estimate': { params: RefinementParams; result: RefinementEstimate };
}
