import { join } from 'node:path';
import { rm, rmdir } from 'node:fs/promises';
import { statesOfBackward } from '../../evaluation/backward';
import { exportGguf } from '../../exporter/exportGguf';
import { cacheRemedy, ensureFreeSpace } from '../../exporter/diskSpace';
import { notePartials, partialName } from '../../files/partials';
import type { Decoder } from '../../graph/transformer/decoder';
import { openDecoder } from '../../graph/transformer/openDecoder';
import { FileStates, MemoryStates, type States } from '../../graph/transformer/states';
import { openModel } from '../../layouts/openModel';
import type { Model } from '../../model/model';
import { Training } from '../../refinement/training';
import { roomFor } from '../evaluation/obtainEvidence';
import { statesRoom } from '../evaluation/runPlan';
import type { PlannedRefinement } from './planRefinement';

/** A refinement whose models are open. */
export interface OpenRefinement {
  /** Of the file that is trained: a copy. */
  readonly decoder: Decoder;
  readonly original: Decoder;
  readonly training: Training;
  /** Path of the copy. */
  readonly file: string;
}

/** Bytes that a run needs on disk: the copy that is trained, its numbers, those that are kept twice, and the states of the original. */
export function diskBytes({ start, training, text, length }: PlannedRefinement, hiddenSize: number): number {
  const states = 4 * text.windows.length * length * hiddenSize;
  return start.description.dataBytes + (3 * 4 + 2) * training.numbers + states;
}

/**
 * Opens a copy of the file for training, and the original, for the time of `work`.
 * @throws QuantscopeError IO where the disk has not enough room.
 */
export async function withOpenRefinement<T>(
  planned: PlannedRefinement,
  signal: AbortSignal,
  work: (open: OpenRefinement) => Promise<T>,
): Promise<T> {
  const { folder } = planned.store;
  const own = partialName(join(folder, 'trained'));
  const file = join(own, 'trained.gguf');
  const forget = await notePartials([own]);
  const closers: (() => Promise<void>)[] = [
    () => rmdir(folder).catch(() => undefined), // a run that kept its state needs it
    forget,
    () => rm(own, { recursive: true, force: true }),
  ];
  try {
    await exportGguf(planned.start, { type: 'COPY' }, file, { signal });
    const copy = await openModel(file, signal);
    closers.push(() => copy.close());
    const decoders = await openDecoders(planned, copy, closers);
    const { hiddenSize } = decoders.original.shape;
    await ensureFreeSpace(file, diskBytes(planned, hiddenSize), 'The refinement', cacheRemedy);
    const training = await Training.open(planned.training, planned.start, copy, roomForNumbers(folder));
    closers.push(() => training.close());
    return await work({ ...decoders, training, file });
  } finally {
    for (const close of closers.toReversed()) await close();
  }
}

async function openDecoders(
  { original: model, where: { device }, length }: PlannedRefinement,
  copy: Model,
  closers: (() => Promise<void>)[],
): Promise<Pick<OpenRefinement, 'decoder' | 'original'>> {
  // The weights change between two passes, so that none are kept.
  const options = { device, length, keep: false, placement: 'fed' } as const;
  const original = await openDecoder(model, options);
  closers.push(() => original.close());
  const decoder = await openDecoder(copy, options);
  closers.push(() => decoder.close());
  return { decoder, original };
}

/** Numbers stay in memory where there is room, else in a temporary file. */
const roomForNumbers =
  (folder: string) =>
  (numbers: number): States =>
    4 * numbers <= statesRoom()
      ? new MemoryStates(new Float32Array(numbers), 1)
      : new FileStates(folder, numbers, 1);

/** Room for states of a decoder of the refinement. */
export const statesRoomIn = (planned: PlannedRefinement, decoder: Decoder): ((tokens: number) => States) =>
  roomFor(planned.store.folder, decoder, statesOfBackward(decoder)).make;
