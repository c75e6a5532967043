import { ggmlType } from '../model/dtypes';
import { ggmlFormats } from '../protocol/ggmlTypes';

const fallbacks = new Map(
  ggmlFormats.map(({ name, encoding }): [string, string | undefined] => [name, encoding.fallback]),
);

/** Whether a row of so many weights is a multiple of a type's block size. */
export const fits = (type: string, columns: number): boolean => columns % (ggmlType(type)?.block ?? 1) === 0;

/** The ggml type that rows of so many weights get where `type` is wanted: that one, its fallback, or F16 when neither fits. */
export function fittingType(type: string, columns: number): string {
  if (fits(type, columns)) return type;
  const fallback = fallbacks.get(type);
  return fallback !== undefined && fits(fallback, columns) ? fallback : 'F16';
}
