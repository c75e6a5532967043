/**
 * Order in which llama.cpp writes tensors (and counts layers for its mixtures): those outside blocks first, then by
 * block number, then by the bytes of the name.
 */
export function compareTensorNames(a: string, b: string): number {
  return blockOf(a) - blockOf(b) || compareBytes(a, b);
}

/** The block of a GGUF tensor name ("blk.7.attn_q.weight"), −1 outside blocks. */
export function blockOf(name: string): number {
  const block = /^blk\.(\d+)\./.exec(name)?.[1];
  return block === undefined ? -1 : Number(block);
}

/** Names compare by UTF-8 bytes, which for code points below U+10000 is the order of JavaScript strings. */
function compareBytes(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
