/** Bytes that stand for themselves as letters: those that are visible in Latin-1. */
const isVisible = (byte: number): boolean => (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);

/**
 * The letter of each byte in byte-level vocabularies (GPT-2, bytes_to_unicode): visible ones are their own, the others follow from
 * U+0100 on.
 */
const letters: readonly string[] = (() => {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isVisible(byte) ? byte : next++));
})();

/** Bytes as letters, one each. */
export const lettersOf = (bytes: Uint8Array): string => Array.from(bytes, (byte) => letters[byte]!).join('');
