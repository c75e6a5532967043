import type { Origin } from '../files/digests/manifest';
import { writeWithDigests } from '../files/digests/writeWithDigests';
import type { Inputs } from '../files/inputs';
import { QuantscopeError, throwIfCancelled } from '../model/errors';
import type { Model } from '../model/model';
import type { EngineProgress } from '../protocol/engine';
import { said } from '../protocol/said';
import type { CodeOptimiser } from './codes/optimisedCodes';
import { encodeTensors, type EncodedPiece } from './encodeTensor';
import { writeGguf } from './gguf/writer';
import type { PlannedTensor } from './plan/tensor';
import type { OutputFile } from './prepareGguf';
import { ProgressMeter, type MeteredPlan } from './progressMeter';

/** What is written, and where. */
export interface PlannedFiles {
  /** Its tensors are those of the files, in their order. */
  readonly plan: MeteredPlan;
  readonly files: readonly OutputFile[];
  /** All that was read. */
  readonly inputs: Inputs;
  /** What the files say that they come from. */
  readonly origin: Origin;
  readonly optimiser?: CodeOptimiser | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: EngineProgress) => void) | undefined;
}

/**
 * Encodes the tensors of a plan into GGUF files, atomically, with the lists of their digests.
 * @throws QuantscopeError MODEL_FILE (weights that are not finite), IO, CANCELLED.
 */
export async function writePlanned(
  model: Model,
  { plan, files, inputs, origin, optimiser, signal, onProgress }: PlannedFiles,
): Promise<void> {
  const meter = new ProgressMeter(plan, onProgress);
  const pieces = new PieceReader(encodeTensors(model, plan.tensors, { signal, optimiser }), meter);
  await writeWithDigests({
    files: files.map(({ path, layout }) => ({ path, bytes: layout.fileBytes, hasWeights: true })),
    ...{ origin, inputs, signal },
    async fill(file, digests, index) {
      await writeGguf(file, files[index]!.layout, (tensor) => pieces.of(tensor), digests);
      throwIfCancelled(signal);
    },
  }).finally(() => pieces.close());
}

/** The tensors' bytes out of one stream that continues from tensor to tensor. */
class PieceReader {
  constructor(
    private readonly pieces: AsyncGenerator<EncodedPiece>,
    private readonly meter: ProgressMeter,
  ) {}

  /** Those of the next tensor; to be read to their end. */
  async *of(tensor: PlannedTensor): AsyncGenerator<Uint8Array> {
    this.meter.begin(tensor);
    for (let left = tensor.bytes; left > 0;) {
      const step = await this.pieces.next();
      if (step.done || step.value.tensor !== tensor) {
        const message = said`${left} of ${tensor.bytes} bytes were not encoded.`;
        throw new QuantscopeError('INTERNAL', message, { tensor: tensor.name });
      }
      const { bytes } = step.value;
      yield bytes;
      left -= bytes.length;
      this.meter.advance(tensor, bytes.length);
    }
  }

  /** Stops the work that runs ahead. */
  async close(): Promise<void> {
    await this.pieces.return(undefined);
  }
}
