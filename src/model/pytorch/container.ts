import type { Dangers } from './dangers';
import type { StoragePlace } from './describe';
import type { PickleValue } from './values';

/** What a PyTorch file holds besides the data, whichever way it is packed. */
export interface Container {
  readonly root: PickleValue;
  readonly dangers: Dangers;
  /** SHA-256 of all of it, hexadecimal. */
  readonly headerHash: string;
  /**
   * Where storages are, by their keys.
   * @throws QuantscopeError MODEL_FILE for one that the file lacks, or that is shorter than the pickle says.
   */
  locate(keys: ReadonlySet<string>): Promise<ReadonlyMap<string, StoragePlace>>;
}
