import type { Danger, MetadataEntry, TensorDescriptor } from '../protocol/model';
import type { FileColumns } from './headerColumns';

/** What the header of a file of a checkpoint says, whatever its format. */
export interface CheckpointHeader {
  readonly tensors: readonly TensorDescriptor[];
  /** The tensors where they were read as columns; `tensors` are then made when they are asked for. */
  readonly columns?: FileColumns;
  /** `__metadata__` of safetensors; empty where it is absent or not an object. */
  readonly fileMetadata: Readonly<Record<string, unknown>>;
  /** What is listed as metadata, key by key. */
  readonly metadata: readonly MetadataEntry[];
  /** SHA-256, hexadecimal. */
  readonly headerHash: string;
  readonly warnings: readonly string[];
  readonly notes?: readonly string[];
  readonly dangers?: readonly Danger[];
}
