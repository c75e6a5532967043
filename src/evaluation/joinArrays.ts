type TypedArray = Int32Array | Float64Array;

/** One array after the other. */
export function joinArrays<T extends TypedArray>(kind: new (length: number) => T, parts: readonly T[]): T {
  const all = new kind(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
