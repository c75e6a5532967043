/** A growing list of 32-bit integers without a sign. */
export class IntegerStream {
  length = 0;
  values: Uint32Array<ArrayBuffer>;

  /** @param expected numbers, more or less. */
  constructor(expected: number) {
    this.values = new Uint32Array(expected + 64);
  }

  push(value: number): void {
    this.reserve(1);
    this.values[this.length++] = value;
  }

  /** Makes room for so many more values, which may replace `values`. */
  reserve(count: number): void {
    if (this.length + count <= this.values.length) return;
    const larger = new Uint32Array(2 * (this.values.length + count));
    larger.set(this.values);
    this.values = larger;
  }

  all(): Uint32Array<ArrayBuffer> {
    return this.values.subarray(0, this.length);
  }
}
