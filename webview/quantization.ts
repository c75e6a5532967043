import type { QuantizedWeight, QuantizeModelSettings } from '../src/protocol/quantizeModel';
import type { QuantizationActivity, QuantizationStep } from '../src/protocol/quantizationView';

/** The current or last quantization of the whole model, with the matrices that are finished, in their order. */
export interface Quantization extends QuantizationActivity {
  readonly weights: readonly QuantizedWeight[];
}

/**
 * The run after a step of it.
 * @returns undefined where earlier steps are missing, so that the whole run must be requested.
 */
export function withStep(
  now: Quantization | undefined,
  { before, finished, ...activity }: QuantizationStep,
): Quantization | undefined {
  const known = now?.run === activity.run ? now.weights : [];
  if (known.length < before) return undefined;
  return { ...activity, weights: [...known.slice(0, before), ...finished] };
}

/** The finished matrices of a run, where it was started with these settings: figures of another recipe say nothing of this one. */
export function finishedOf(
  run: Pick<Quantization, 'settings' | 'weights'> | undefined,
  settings: QuantizeModelSettings | undefined,
): readonly QuantizedWeight[] {
  return run && JSON.stringify(run.settings) === JSON.stringify(settings) ? run.weights : [];
}
