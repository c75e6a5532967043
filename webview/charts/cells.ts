/** First and last of the weights that a cell covers in one direction. */
export function cellSpan(index: number, cell: number, first: number, count: number): [number, number] {
  const start = Math.floor(index * cell);
  return [first + start, first + Math.min(count, Math.max(start + 1, Math.ceil((index + 1) * cell))) - 1];
}

/** "row 5", "rows 448–455". */
export function spanText(noun: string, [first, last]: readonly [number, number]): string {
  return first === last ? `${noun} ${first}` : `${noun}s ${first}–${last}`;
}
