/** Names that follow each other in a text. As long as each comes after the one before it, as the library writes them, there are no two equal ones. */
export class NameOrder {
  isAscending = true;
  private lastStart = 0;
  private lastEnd = 0;

  /** @param start of a name, with its quotes, in the bytes of the text. */
  add(bytes: Uint8Array, start: number, end: number): void {
    this.isAscending &&= this.isAfterLast(bytes, start, end);
    this.lastStart = start;
    this.lastEnd = end;
  }

  private isAfterLast(bytes: Uint8Array, start: number, end: number): boolean {
    const { lastStart, lastEnd } = this;
    const length = Math.min(lastEnd - lastStart, end - start);
    for (let i = 0; i < length; i++) {
      const difference = bytes[start + i]! - bytes[lastStart + i]!;
      if (difference !== 0) return difference > 0;
    }
    return lastEnd - lastStart < end - start;
  }
}
