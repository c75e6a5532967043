/** A growing list of 32-bit integers without a sign. */
export class IntegerStream {
  length = 0;
  values: Uint32Array<ArrayBuffer>;

  /** @param expected numbers, more or less. */
  constructor(expected: number) {
    this.values = new Uint32Array(expected + 64);
  }

  push(value: number): void {
    if (this.length === this.values.length) {
      const larger = new Uint32Array(2 * this.values.length);
      larger.set(this.values);
      this.values = larger;
    }
    this.values[this.length++] = value;
  }

  all(): Uint32Array<ArrayBuffer> {
    return this.values.subarray(0, this.length);
  }
}
