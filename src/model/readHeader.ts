import type { ModelFormat } from '../protocol/model';
import type { ByteSource } from './byteSource';
import type { CheckpointHeader } from './checkpointHeader';
import type { HeaderDictionary } from './headerColumns';
import { readPytorchHeader } from './pytorch/header';
import { readSafetensorsHeader } from './safetensors';

/** Formats of the files of a checkpoint. */
export type CheckpointFormat = Exclude<ModelFormat, 'gguf'>;

/** @param dictionary of the files that belong together. */
export type ReadHeader = (
  source: ByteSource,
  signal?: AbortSignal,
  dictionary?: HeaderDictionary,
) => Promise<CheckpointHeader>;

/** How the header of a file is read. */
export const headerReaders: Readonly<Record<CheckpointFormat, ReadHeader>> = {
  safetensors: readSafetensorsHeader,
  pytorch: readPytorchHeader,
};
