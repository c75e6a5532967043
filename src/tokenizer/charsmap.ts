import { QuantscopeError } from '../model/errors';
import { said } from '../protocol/said';

/** What a beginning of a text is replaced by. */
export interface Replacement {
  /** Bytes of the text. */
  readonly length: number;
  /** UTF-8. */
  readonly bytes: Uint8Array;
}

/** The replacement of the longest beginning of `text` from `at` on that has one. */
export type Charsmap = (text: Uint8Array, at: number) => Replacement | undefined;

/**
 * SentencePiece's precompiled table of replacements: u32 bytes of a trie, the trie as a double array (Darts-clone), and the
 * replacements, each ended by a zero. A unit of the trie has the offset to its children in bits 10 to 30 (in steps of 256 where bit
 * 9 is set), whether it has a value in bit 8, and its own byte in bits 0 to 7; the unit of a value has bit 31 set.
 * @throws QuantscopeError MODEL_FILE naming the file when the table does not have these parts, and from the function when the trie
 * leads out of them.
 */
export function charsmapOf(table: Uint8Array, file: string): Charsmap {
  const damaged = (what: string): QuantscopeError =>
    new QuantscopeError('MODEL_FILE', said`The table of replacements (precompiled_charsmap) ${what}.`, {
      file,
    });
  const view = new DataView(table.buffer, table.byteOffset, table.byteLength);
  const size = table.length < 4 ? 0 : view.getUint32(0, true);
  if (size === 0 || size % 4 !== 0 || 4 + size >= table.length)
    throw damaged(`of ${table.length} bytes does not have its trie and its replacements`);
  const unitAt = (index: number): number => {
    if (index < 0 || index >= size / 4) throw damaged(`leads to unit ${index} of a trie of ${size / 4}`);
    return view.getUint32(4 + 4 * index, true);
  };
  const replacements = table.subarray(4 + size);
  const replacementAt = (offset: number): Uint8Array => {
    const end = offset < replacements.length ? replacements.indexOf(0, offset) : -1;
    if (end < 0) throw damaged(`has no replacement at ${offset}`);
    return replacements.subarray(offset, end);
  };
  return (text, at) => {
    let index = childrenOf(unitAt(0));
    let found: { length: number; offset: number } | undefined;
    for (let i = at; i < text.length; i++) {
      const byte = text[i]!;
      index ^= byte;
      // A zero would be taken for the unit of a value.
      const unit = byte === 0 ? undefined : unitAt(index);
      if (unit === undefined || (unit & 0x800000ff) !== byte) break;
      index ^= childrenOf(unit);
      if (unit & 0x100) found = { length: i + 1 - at, offset: unitAt(index) & 0x7fffffff };
    }
    return found && { length: found.length, bytes: replacementAt(found.offset) };
  };
}

const childrenOf = (unit: number): number => ((unit & 0x7fffffff) >>> 10) << (unit & 0x200 ? 8 : 0);
