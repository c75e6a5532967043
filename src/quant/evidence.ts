import type { Evidence } from './methods/method';

/** What a calibration pass measured of the inputs of a model's matrices, read one matrix at a time. */
export interface EvidenceSource {
  /** The text that the model was run over, and how much of it. */
  readonly text: { readonly path: string; readonly tokens: number };
  /**
   * The evidence of a matrix.
   * @param tensor its name as the checkpoint spells it.
   * @param expert which of the experts that are merged in the tensor; without it, all of them together.
   * @returns nothing but empty evidence for a tensor whose inputs were not measured, or for an expert that no token reached.
   * @throws QuantscopeError IO when what was kept cannot be read.
   */
  for(tensor: string, expert?: number, signal?: AbortSignal): Promise<Evidence>;
}
