/** What a refinement gave by a step, measured on text that is kept back. */
export interface RefinementPoint {
  readonly step: number;
  /** Mean KL divergence from the original, nats per token. */
  readonly divergence: number;
}
