import type { Candidates } from '../../ampq/candidates';
import { measureCurvature } from '../../ampq/curvature';
import { statesOfBackward } from '../../evaluation/backward';
import { ensureFreeSpace, cacheRemedy } from '../../exporter/diskSpace';
import type { OrtDevice } from '../../graph/session';
import { openDecoder } from '../../graph/transformer/openDecoder';
import type { WeightChanges } from '../../graph/transformer/weights';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import type { JobContext } from '../job';
import { backwardSteps, roomFor } from './obtainEvidence';
import { StepMeter } from './progress';
import { windowsAtOnce, type WindowsRun } from './runPlan';
import { said } from '../../protocol/said';

const ofExperts = /\.ffn_(gate|up|down)_exps\.weight$/;

/** Whether tokens of a model are routed to experts. */
export const isRouted = ({ tensors }: Candidates): boolean =>
  tensors.some(({ converted: { name } }) => ofExperts.test(name));

/** @throws QuantscopeError REQUEST for a mixture of experts: gradients do not see that a change of a tensor leads to other experts. */
export function refuseRouted(candidates: Candidates, file: string): void {
  if (!isRouted(candidates)) return;
  const message = said`Gains of a mixture of experts do not follow from the curvature: a changed tensor leads tokens to other experts, which gradients do not see, so that gains come out too small. Leave out --curvature (in an editor, switch off the setting quantscope.curvature): each tensor is then changed and measured.`;
  throw new QuantscopeError('REQUEST', message, { file });
}

/**
 * Divergences that single changes of a model's blocks are predicted to cause over windows of a text, from one backward pass; those of other
 * tensors are not among them.
 * @param place where the model runs, and where states are kept that do not fit into memory.
 * @throws QuantscopeError as `openDecoder` and `measureCurvature`, and IO when the disk has not enough room.
 */
export async function curvatureOf(
  model: Model,
  { length, windows }: WindowsRun,
  changes: WeightChanges,
  { device, folder }: { readonly device: OrtDevice; readonly folder: string },
  { signal, progress }: JobContext,
): Promise<ReadonlyMap<string, number>> {
  const decoder = await openDecoder(model, { device, length, keep: false });
  try {
    const states = roomFor(folder, decoder, statesOfBackward(decoder));
    const bytes = states.fileBytes(windows.length * length);
    await ensureFreeSpace(folder, bytes, 'States of a backward pass', cacheRemedy);
    const meter = new StepMeter(backwardSteps(decoder, windows.length), windows.length, device, progress);
    return await measureCurvature(decoder, windows, changes, {
      ...{ room: states.make, windowsAtOnce: windowsAtOnce(decoder), signal },
      onStep: (part) => meter.step(said`curvature: ${part}`),
    });
  } finally {
    await decoder.close();
  }
}
