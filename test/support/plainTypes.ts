import type { GgmlQuantType } from '../../src/protocol/ggmlTypes';
import type { PlainType } from './plainDescent';

/** A normal or subnormal float16. */
function halfAt(block: Uint8Array, at: number): number {
  const [fraction, exponent] = [block[at]! | ((block[at + 1]! & 3) << 8), (block[at + 1]! >> 2) & 31];
  const size = exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25);
  return block[at + 1]! & 0x80 ? -size : size;
}

/** Types whose scales a plain loop can read: one scale for each block, with and without a minimum, and two factors with codes of groups. */
export const plainTypes: readonly (readonly [GgmlQuantType, PlainType])[] = [
  [
    'Q4_0',
    {
      ...{ block: 32, group: 32, hasZeros: false, most: 1 },
      levels: Array.from({ length: 16 }, (_, code) => code - 8),
      read: (block) => ({ d: halfAt(block, 0), m: 0, scales: [1], minimums: [0] }),
    },
  ],
  [
    'Q4_1',
    {
      ...{ block: 32, group: 32, hasZeros: true, most: 1 },
      levels: Array.from({ length: 16 }, (_, code) => code),
      read: (block) => ({ d: halfAt(block, 0), m: halfAt(block, 2), scales: [1], minimums: [1] }),
    },
  ],
  [
    'Q2_K',
    {
      ...{ block: 256, group: 16, hasZeros: true, most: 15 },
      levels: [0, 1, 2, 3],
      read: (block) => ({
        ...{ d: halfAt(block, 80), m: -halfAt(block, 82) },
        scales: Array.from(block.subarray(0, 16), (byte) => byte & 15),
        minimums: Array.from(block.subarray(0, 16), (byte) => byte >> 4),
      }),
    },
  ],
];
