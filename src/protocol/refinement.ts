import type { ModelRef } from './model';
import type { DeviceChoice } from './device';

/** What is trained besides the vectors of a file (norms, biases): the factors of its blocks, or their codes, too. */
export const trainedParts = ['factors', 'codes'] as const;
export type TrainedParts = (typeof trainedParts)[number];

/** What a refinement gave by a step, measured on text that is kept back. */
export interface RefinementPoint {
  readonly step: number;
  /** Mean KL divergence from the original, nats per token. */
  readonly divergence: number;
}

/** How a GGUF file is refined: trained on the output of the model that it was made from. */
export interface RefinementSettings {
  /** The model that the file was made from. */
  readonly original: string;
  /** UTF-8 text that both are run over. */
  readonly text: string;
  /** Tokens of the text that are used, in whole windows spread over it; 65,536 where it is absent. */
  readonly tokens?: number;
  /** Tokens of a window; 512, or the model's context length where that is less. */
  readonly context?: number;
  /** 200 where it is absent. */
  readonly steps?: number;
  /** Windows of a step, at most those that are learned; 4 where it is absent, if there are so many. */
  readonly batch?: number;
  /** `codes` where it is absent. */
  readonly parts?: TrainedParts;
  readonly device: DeviceChoice;
}

/** `path` is the file that is refined. */
export interface RefinementParams extends RefinementSettings, ModelRef {
  /** Folder where the state is kept, so that a run that was stopped is continued. */
  cacheDir: string;
  threads?: number;
}

export interface RunRefinementParams extends RefinementParams {
  /** The refined file; may not be the one that is read. */
  out: string;
  /** Makes no steps: writes the best state of a run that was stopped, which can still be continued. */
  finish?: boolean;
}

/** What a run would take. */
export interface RefinementEstimate {
  readonly steps: number;
  /** Steps that an earlier run has made. */
  readonly done: number;
  readonly seconds: number;
  /** Bytes of the state on disk, and of memory besides that of the program. */
  readonly disk: number;
  readonly memory: number;
}

export interface RefinementResult {
  readonly out: string;
  /** Steps that were made, and those of the state that was written: 0 where no step was better than the start. */
  readonly steps: number;
  readonly best: RefinementPoint;
  readonly points: readonly RefinementPoint[];
  /** Tokens of the text that were learned from, and that were kept back. */
  readonly tokens: { readonly learned: number; readonly heldBack: number };
  /** Tensors that were trained, of so many in the file. */
  readonly tensors: { readonly trained: number; readonly all: number };
  readonly seconds: number;
}

/** The best state of a run that can be written, where a step was measured to be better than the start. */
export function improvement(points: readonly RefinementPoint[]): RefinementPoint | undefined {
  const best = bestPoint(points);
  return best && best.step > 0 ? best : undefined;
}

/** The point of a curve with the smallest divergence; of equal ones the first. */
export const bestPoint = (points: readonly RefinementPoint[]): RefinementPoint | undefined =>
  points.reduce<RefinementPoint | undefined>(
    (best, point) => (best && best.divergence <= point.divergence ? best : point),
    undefined,
  );
