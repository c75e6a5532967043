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

/**
 * Bytes that a run needs on disk: the copy that is trained, its numbers, the latest and the best state, both twice while they are replaced,
 * and the states of the original. Of a best state, only the values are kept: a third of the numbers.
 */
export function diskBytes({ start, training, text, length }: PlannedRefinement, stateSize: number): number {
  const states = 4 * text.windows.length * length * stateSize;
  const numbers = 4 * training.numbers;
  return start.description.dataBytes + numbers + 2 * numbers + 2 * (numbers / 3) + states;
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
    const { original: model, start } = planned;
    const original = await openTrainable(planned, model, closers);
    const bytes = diskBytes(planned, original.shape.stateSize);
    await ensureFreeSpace(file, bytes, 'The refinement', cacheRemedy);
    await exportGguf(start, { type: 'COPY' }, file, { signal });
    const copy = await openModel(file, signal);
    closers.push(() => copy.close());
    const decoder = await openTrainable(planned, copy, closers);
    const training = await Training.open(planned.training, start, copy, roomForNumbers(folder));
    closers.push(() => training.close());
    return await work({ decoder, original, training, file });
  } finally {
    for (const close of closers.toReversed()) await close();
  }
}

/** A decoder that keeps no weights: they change between two passes. */
async function openTrainable(
  { where: { device }, length }: PlannedRefinement,
  model: Model,
  closers: (() => Promise<void>)[],
): Promise<Decoder> {
  const decoder = await openDecoder(model, { device, length, keep: false, placement: 'fed' });
  closers.push(() => decoder.close());
  return decoder;
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
