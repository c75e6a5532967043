/** The two codes of each byte as the bytes of a 16-bit number, and the four codes as those of a 32-bit number; the least significant first. */
const pairs = Uint16Array.from({ length: 256 }, (_, byte) => (byte & 15) | ((byte >>> 4) << 8));
const fours = Uint32Array.from({ length: 256 }, (_, byte) =>
  [0, 1, 2, 3].reduce((all, i) => all + ((byte >>> (2 * i)) & 3) * 2 ** (8 * i), 0),
);

/**
 * Gives each code a byte of its own. Files and numbers are little-endian here.
 * @param bytes hold 8/b codes of b bits each, the least significant first; b is 2, 4 or 8.
 * @param codes one for each, at the start of its buffer.
 */
export function spreadBytes(bytes: Uint8Array, codes: Uint8Array, bits: number): void {
  if (bits === 4) {
    const target = new Uint16Array(codes.buffer, codes.byteOffset, codes.length / 2);
    for (let i = 0; i < target.length; i++) target[i] = pairs[bytes[i]!]!;
  } else if (bits === 2) {
    const target = new Uint32Array(codes.buffer, codes.byteOffset, codes.length / 4);
    for (let i = 0; i < target.length; i++) target[i] = fours[bytes[i]!]!;
  } else codes.set(bytes.subarray(0, codes.length));
}

/** Rows that are written together: few enough for lines of a cache whose addresses differ by a power of two. */
const together = 8;

/** The same for matrices whose words are columns: word w of row r is `bytes[4 · (w · rows + r)]`. @param codes `[rows, columns]`. */
export function spreadColumns(bytes: Uint8Array, codes: Uint8Array, bits: number, rows: number): void {
  const items =
    bits === 4
      ? new Uint16Array(codes.buffer, codes.byteOffset, codes.length / 2)
      : bits === 2
        ? new Uint32Array(codes.buffer, codes.byteOffset, codes.length / 4)
        : codes;
  const perRow = items.length / rows;
  for (let first = 0; first < rows; first += together) {
    const last = Math.min(rows, first + together);
    if (bits === 4) spreadTile(bytes, items, pairs, { first, last, rows, perRow });
    else if (bits === 2) spreadTile(bytes, items, fours, { first, last, rows, perRow });
    else spreadTile(bytes, items, unchanged, { first, last, rows, perRow });
  }
}

const unchanged = Uint8Array.from({ length: 256 }, (_, byte) => byte);

interface Tile {
  readonly first: number;
  readonly last: number;
  readonly rows: number;
  /** Bytes of packed codes. */
  readonly perRow: number;
}

function spreadTile(
  bytes: Uint8Array,
  items: Uint8Array | Uint16Array | Uint32Array,
  table: Uint8Array | Uint16Array | Uint32Array,
  { first, last, rows, perRow }: Tile,
): void {
  for (let start = 0; start < perRow; start += 4)
    for (let row = first; row < last; row++) {
      const from = start * rows + 4 * row;
      const to = row * perRow + start;
      items[to] = table[bytes[from]!]!;
      items[to + 1] = table[bytes[from + 1]!]!;
      items[to + 2] = table[bytes[from + 2]!]!;
      items[to + 3] = table[bytes[from + 3]!]!;
    }
}
