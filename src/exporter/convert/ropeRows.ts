/**
 * Reorders the rows of q and k from Hugging Face's layout of rotary embedding (first half of a head, then second half) to
 * that of GGUF's llama (pairs side by side): within each head of d rows, row j·d/2 + i becomes row 2·i + j, for j in {0, 1}.
 * @param bytes whole heads of `headRows` rows of `rowBytes` bytes.
 */
export function interleaveRows(bytes: Uint8Array, headRows: number, rowBytes: number): Uint8Array {
  const target = new Uint8Array(bytes.length);
  const half = headRows / 2;
  const rows = bytes.length / rowBytes;
  for (let row = 0; row < rows; row++) {
    const inHead = row % headRows;
    const to = row - inHead + (inHead < half ? 2 * inHead : 2 * (inHead - half) + 1);
    target.set(bytes.subarray(row * rowBytes, (row + 1) * rowBytes), to * rowBytes);
  }
  return target;
}
