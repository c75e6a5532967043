import { ggufView } from '../../src/architectures/ggufView';
import { EvidenceStore } from '../../src/engine/evaluation/evidenceStore';
import { evidenceSource } from '../../src/engine/evaluation/keptEvidence';
import { measureEvidence } from '../../src/evaluation/evidence';
import { openDecoder } from '../../src/graph/transformer/openDecoder';
import { MemoryStates } from '../../src/graph/transformer/states';
import type { Model } from '../../src/model/model';
import type { EvidenceSource } from '../../src/quant/evidence';
import { temporaryFolder } from './files';

/** What a calibration pass over tokens measures, which are cut into windows. */
export async function measuredEvidence(
  model: Model,
  tokens: Int32Array,
  context: number,
): Promise<EvidenceSource> {
  const parts = { hessians: true, activations: true, gradients: false };
  const windows = Array.from({ length: tokens.length / context }, (_, i) => ({
    inputs: tokens.subarray(i * context, (i + 1) * context),
    targets: new Int32Array(context).fill(-1),
  }));
  const decoder = await openDecoder(model, { device: 'ort-cpu', length: context, keep: false });
  const { hiddenSize } = decoder.shape;
  const text = { path: 'tokens', hash: 'tokens', tokens: tokens.length, context };
  const kept = await new EvidenceStore(temporaryFolder()).add(
    'model',
    { key: 'tokens', text, parts },
    (keep) =>
      measureEvidence(decoder, windows, {
        ...{ parts, keep, windowsAtOnce: windows.length },
        room: (count) => new MemoryStates(new Float32Array(count * hiddenSize), hiddenSize),
      }),
  );
  await decoder.close();
  return evidenceSource(kept, await ggufView(model));
}
