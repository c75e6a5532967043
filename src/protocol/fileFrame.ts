/** What an exported file holds besides the tensors that a plan chooses formats for. */
export interface FileFrame {
  /** Header (key-values and the list of tensors) and the data of all other tensors with its padding, bytes. */
  readonly bytes: number;
  /** Each tensor's data is padded to a multiple of this, bytes. */
  readonly alignment: number;
}

/** Bytes of the exported file in which the tensors that a plan chooses formats for have these sizes. */
export const fileBytesOf = ({ bytes, alignment }: FileFrame, sizes: readonly number[]): number =>
  sizes.reduce((sum, size) => sum + padded(size, alignment), bytes);

/** Rounded up to a multiple. */
export const padded = (bytes: number, alignment: number): number => Math.ceil(bytes / alignment) * alignment;
