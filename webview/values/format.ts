import { aligned, exact } from '../format';

const isInteger = (dtype: string): boolean => /^([IU]\d+|BOOL)$/.test(dtype);

/**
 * How the values of a tensor are written below each other: integers as they are, others with the decimals that its largest magnitude has, so that
 * all of them have the same wherever they are.
 */
export function valueFormat(dtype: string, absMax: number): (value: number) => string {
  if (isInteger(dtype)) return (value) => exact(value);
  return (value) => aligned([value, absMax])[0]!;
}
