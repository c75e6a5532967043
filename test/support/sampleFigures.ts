import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { sharedModel } from './files';

/** Held out of the sample's training; what llama.cpp and the training's own evaluation make of it is known. */
export const heldOut = join(sharedModel, 'eval.txt');
export const hasHeldOut = existsSync(heldOut);
if (!hasHeldOut) console.warn(`Figures of the sample are not compared: ${heldOut} is not there.`);

/** llama-perplexity's KL divergence of files that llama-quantize wrote from its float32 original, and same top tokens. */
export const divergences: readonly {
  readonly type: string;
  readonly mean: number;
  readonly sameTop?: number;
}[] = [
  { type: 'Q2_K', mean: 0.025314, sameTop: 0.8682 },
  { type: 'Q3_K_S', mean: 0.008791, sameTop: 0.9188 },
  { type: 'Q3_K_M', mean: 0.005793, sameTop: 0.9354 },
  { type: 'IQ4_XS', mean: 0.002403, sameTop: 0.9559 },
  { type: 'Q4_0', mean: 0.002758 },
  { type: 'Q4_K_S', mean: 0.001968, sameTop: 0.961 },
  { type: 'Q4_K_M', mean: 0.001797, sameTop: 0.9638 },
  { type: 'Q5_K_M', mean: 0.000671, sameTop: 0.9759 },
  { type: 'Q6_K', mean: 0.000377, sameTop: 0.9825 },
  { type: 'Q8_0', mean: 0.000062, sameTop: 0.9915 },
];
