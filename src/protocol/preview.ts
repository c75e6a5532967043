import type { Estimate } from './estimate';
import type { ModelRef } from './model';
import type { DeviceChoice } from './device';
import type { RecipeSelection } from './quantizeModel';

/**
 * Fake quantization of a model: its forward pass with the weights, and inputs where the recipe has that, as they will be rounded. What a training
 * that is aware of quantization would have to absorb.
 */
export interface PreviewSettings {
  readonly recipe: RecipeSelection;
  /** UTF-8 text that both models are run over. */
  readonly text: string;
  /** Tokens of a window; 512, or the model's context length where that is less. */
  readonly context?: number;
  /** Windows of the text that are used at most; 8 where it is absent. */
  readonly windows?: number;
  readonly device: DeviceChoice;
}

export interface PreviewParams extends PreviewSettings, ModelRef {
  /** Folder where evidence is kept. */
  cacheDir: string;
  threads?: number;
}

/** Errors of the output states of a block, Σ‖y' − y‖² / Σ‖y‖² over all tokens. */
export interface PreviewBlock {
  readonly block: number;
  /** The block alone is quantized, and gets the states of the original. */
  readonly own: number;
  /** All blocks up to this one are quantized. */
  readonly accumulated: number;
}

export interface PreviewResult {
  /** What results are called: the recipe and its changes. */
  readonly variant: string;
  readonly tokens: number;
  readonly blocks: readonly PreviewBlock[];
  /** After the last norm. */
  readonly output: number;
  /** Over the scored tokens; KL divergence from the original in nats per token. */
  readonly perplexity: Estimate;
  readonly originalPerplexity: Estimate;
  readonly divergence: Estimate;
  readonly sameTopToken: Estimate;
  readonly seconds: number;
}
