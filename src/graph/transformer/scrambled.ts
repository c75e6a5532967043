/** A number whose bits look random, from 0 to 2^32 − 1, the same one for an index every time (the finalizer of MurmurHash3). */
export function scrambled(index: number): number {
  let bits = Math.imul(index + 1, 0x9e3779b1);
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
