/** A tensor in a file: absolute offset and bytes. */
export interface PlacedTensor {
  readonly name: string;
  readonly offset: number;
  readonly bytes: number;
}

/** Where a file holds what is not of tensors: its header, and padding. */
export interface OutsideRange {
  readonly offset: number;
  readonly bytes: number;
  /** The tensor before it. */
  readonly after?: string;
}

/**
 * The ranges of a file that are not of tensors, in their order; none is empty.
 * @param tensors by their offsets. Those that reach beyond the end of the file are cut there.
 */
export function rangesOutside(tensors: readonly PlacedTensor[], fileBytes: number): readonly OutsideRange[] {
  const ranges: OutsideRange[] = [];
  let end = 0;
  let after: string | undefined;
  for (const { name, offset, bytes } of [...tensors, { name: '', offset: fileBytes, bytes: 0 }]) {
    const next = Math.min(offset, fileBytes);
    if (next > end)
      ranges.push({ offset: end, bytes: next - end, ...(after === undefined ? {} : { after }) });
    end = Math.max(end, offset + bytes);
    after = name;
  }
  return ranges;
}
