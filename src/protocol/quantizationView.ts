import type { EngineProgress } from './engine';
import type {
  OutputCheck,
  QuantizeModelResult,
  QuantizeModelSettings,
  QuantizedWeight,
  RecipeChoices,
} from './quantizeModel';
import type { Recipe } from './recipe';
import type { RunFailure } from './runFailure';

/** How a quantization of the whole model ended. */
export type QuantizationOutcome =
  | {
      readonly kind: 'quantized';
      readonly result: Pick<
        QuantizeModelResult,
        | 'out'
        | 'fileBytes'
        | 'sourceBytes'
        | 'bitsPerWeight'
        | 'relativeError'
        | 'seconds'
        | 'warnings'
        | 'notes'
      >;
    }
  | RunFailure;

/** The current or last quantization of a whole model; it outlives the editor. */
export interface QuantizationActivity {
  /** Increases with every run. */
  readonly run: number;
  /** "gptq-int4-g128 → model-gptq". */
  readonly title: string;
  /** What was asked for: its matrices are those of no other recipe. */
  readonly settings: QuantizeModelSettings;
  readonly progress?: EngineProgress;
  /** Absent while it runs. */
  readonly outcome?: QuantizationOutcome;
}

/** What changed in a quantization: of a large model, all finished matrices would be many times as much. */
export interface QuantizationStep extends QuantizationActivity {
  /** Matrices that were finished before those of `finished`. */
  readonly before: number;
  readonly finished: readonly QuantizedWeight[];
}

/** What the page that quantizes the model needs for its first rendering. */
export interface QuantizationView {
  readonly choices: RecipeChoices;
  /** With all matrices that are finished. */
  readonly step?: QuantizationStep;
  /** A calibration text next to the model. */
  readonly text?: string;
}

/** What the folder or file of a result is named after. */
export interface OutputName {
  /** Id of the recipe. */
  readonly recipe: string;
  readonly target: Recipe['target'];
}

/** Where a result goes. */
export interface ResolvedOutput extends OutputCheck {
  /** Absolute. */
  readonly path: string;
}

/** Settings of a quantization of the whole model, and the folder or file for its result. */
export interface QuantizationStart {
  readonly settings: QuantizeModelSettings;
  readonly out: string;
}
