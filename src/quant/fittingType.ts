import { ggmlType } from '../model/dtypes';

/** Types for rows that are not whole blocks of the wanted type (llama.cpp v0.5.0, llama-quant.cpp, tensor_type_fallback). */
const narrower: Readonly<Record<string, string>> = {
  ...{ Q2_K: 'Q4_0', Q3_K: 'Q4_0', TQ1_0: 'Q4_0', TQ2_0: 'Q4_0', Q2_0: 'Q4_0' },
  ...{ Q4_K: 'Q5_0', Q5_K: 'Q5_1', Q6_K: 'Q8_0' },
  ...{ IQ1_S: 'IQ4_NL', IQ1_M: 'IQ4_NL', IQ2_XXS: 'IQ4_NL', IQ2_XS: 'IQ4_NL', IQ2_S: 'IQ4_NL' },
  ...{ IQ3_XXS: 'IQ4_NL', IQ3_S: 'IQ4_NL', IQ4_XS: 'IQ4_NL' },
};

/** Whether a row of so many weights is whole blocks of a type. */
export const fits = (type: string, columns: number): boolean => columns % (ggmlType(type)?.block ?? 1) === 0;

/** The ggml type that rows of so many weights get where `type` is wanted: that one, its fallback, or F16 when neither fits. */
export function fittingType(type: string, columns: number): string {
  if (fits(type, columns)) return type;
  const fallback = narrower[type];
  return fallback !== undefined && fits(fallback, columns) ? fallback : 'F16';
}
