import type { Model } from '../../model/model';
import { matrixOf } from '../../model/rows';
import type { StoredEvidence } from '../../protocol/evidence';
import type { TensorDescriptor } from '../../protocol/model';
import type { EvidenceSource } from '../../quant/evidence';
import { readRows } from '../checkpoint/readRows';
import { outputEnergy, type SampledOutputs } from './outputMeter';

/** What is known of the inputs of a model's matrices. */
export interface KnownInputs {
  readonly stored: StoredEvidence;
  readonly source: EvidenceSource;
}

/** Whether calibration measured the inputs of a tensor: it does for the matrices that a forward pass multiplies by. */
export async function inputsMeasured(
  { name }: TensorDescriptor,
  known: KnownInputs | undefined,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const found = await known?.source.for(name, 'importance', { signal });
  return found?.importance !== undefined;
}

/** Inputs of the matrix that calibration kept, and the energy of its outputs over them; undefined where it kept none. */
export async function sampledOutputs(
  model: Model,
  tensor: TensorDescriptor,
  known: KnownInputs | undefined,
  signal: AbortSignal | undefined,
): Promise<SampledOutputs | undefined> {
  if (!known?.stored.kinds.includes('activations')) return undefined;
  const { inputs } = await known.source.for(tensor.name, 'activations', { signal });
  const { columns } = matrixOf(tensor.shape);
  if (!inputs || inputs.length === 0 || inputs.length % columns !== 0) return undefined;
  let energy = 0;
  for await (const { values } of readRows(model, tensor, { signal }))
    energy += await outputEnergy(values, inputs, columns, signal);
  return energy > 0 ? { inputs, energy } : undefined;
}
