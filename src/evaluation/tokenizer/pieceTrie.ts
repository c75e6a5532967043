import { QuantscopeError } from '../../model/errors';
import { maxPieceBytes } from '../../model/limits';
import { said } from '../../protocol/said';

/** Byte strings by their beginnings. Nodes are numbers; 0 is the empty beginning. */
export interface PieceTrie {
  /** The beginning with one more byte, or -1 where no string begins so. */
  readonly next: (node: number, byte: number) => number;
  /** The index of the string that ends at a node, or -1. */
  readonly index: (node: number) => number;
}

/**
 * A trie of some million nodes in flat arrays: the children of all nodes are in one hash table with open addressing.
 * @param strings by index; undefined ones are left out, of equal ones the last counts.
 * @throws QuantscopeError MODEL_FILE naming the file when the strings have more bytes than any published vocabulary.
 */
export function pieceTrie(strings: readonly (Uint8Array | undefined)[], file: string): PieceTrie {
  const bytes = strings.reduce((sum, text) => sum + (text?.length ?? 0), 0);
  if (bytes > maxPieceBytes) {
    const message = said`The pieces of the vocabulary have ${bytes} bytes; at most ${maxPieceBytes} are possible.`;
    throw new QuantscopeError('MODEL_FILE', message, { file });
  }
  const bits = Math.max(4, Math.ceil(Math.log2(2 * (bytes + 1))));
  const keys = new Int32Array(1 << bits).fill(-1);
  const values = new Int32Array(1 << bits);
  const ends = new Int32Array(bytes + 1).fill(-1);
  const slotOf = (key: number): number => {
    let slot = Math.imul(key, 0x9e3779b1) >>> (32 - bits);
    while (keys[slot] !== key && keys[slot] !== -1) slot = (slot + 1) & (keys.length - 1);
    return slot;
  };
  let nodes = 1;
  strings.forEach((text, index) => {
    if (!text) return;
    let node = 0;
    for (const byte of text) {
      const slot = slotOf(node * 256 + byte);
      if (keys[slot] === -1) {
        keys[slot] = node * 256 + byte;
        values[slot] = nodes++;
      }
      node = values[slot]!;
    }
    ends[node] = index;
  });
  return {
    next: (node, byte) => {
      const slot = slotOf(node * 256 + byte);
      return keys[slot] === -1 ? -1 : values[slot]!;
    },
    index: (node) => ends[node]!,
  };
}
