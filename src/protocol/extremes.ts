/** The least of numbers, Infinity where there are none: Math.min(...values) exhausts the stack at some 100,000. */
export const leastOf = (values: Iterable<number>): number => extremeOf(values, Math.min, Infinity);

/** The greatest of numbers, −Infinity where there are none. */
export const greatestOf = (values: Iterable<number>): number => extremeOf(values, Math.max, -Infinity);

function extremeOf(values: Iterable<number>, choose: (a: number, b: number) => number, none: number): number {
  let result = none;
  for (const value of values) result = choose(result, value);
  return result;
}
