import { suggestion } from '../../model/closest';
import { QuantscopeError } from '../../model/errors';
import { ggmlFormats } from '../../protocol/ggmlTypes';
import { said } from '../../protocol/said';

/** A GGUF file type: what llama.cpp calls a preset. */
export interface FileType {
  readonly name: string;
  /** Value of `general.file_type` (llama.h, llama_ftype). */
  readonly id: number;
  /** The ggml type that weights get unless a rule of the mixture says otherwise. */
  readonly base: string;
  readonly label: string;
}

const type = (name: string, id: number, base: string, label: string): FileType => ({ name, id, base, label });

/** The file types of llama.cpp v0.5.0, smallest first (as large models are in them; MXFP4_MOE by its experts). */
export const fileTypes: readonly FileType[] = [
  type('Q1_0', 40, 'Q1_0', said`1 bit: signs and a scale, for models trained this way`),
  type('IQ1_S', 24, 'IQ1_S', said`1.6 bit: the smallest usable one`),
  type('TQ1_0', 36, 'TQ1_0', said`1.7 bit: ternary, for models trained this way`),
  type('IQ1_M', 31, 'IQ1_M', said`1.8 bit: a little better than IQ1_S`),
  type('IQ2_XXS', 19, 'IQ2_XXS', said`2.1 bit: large models on small machines`),
  type('TQ2_0', 37, 'TQ2_0', said`2.1 bit: ternary, faster than TQ1_0`),
  type('Q2_0', 41, 'Q2_0', said`2.3 bit: four levels and a scale`),
  type('IQ2_XS', 20, 'IQ2_XS', said`2.3 bit: a little better than IQ2_XXS`),
  type('IQ2_S', 28, 'IQ2_XS', said`2.5 bit: more for value, down and output layers`),
  type('IQ2_M', 29, 'IQ2_S', said`2.7 bit: the best with two bits`),
  type('Q2_K_S', 21, 'Q2_K', said`2.8 bit: Q2_K with fewer bits for value and down layers`),
  type('Q2_K', 10, 'Q2_K', said`3 bit: two, three for value and down layers`),
  type('IQ3_XXS', 23, 'IQ3_XXS', said`3.1 bit: the best of its size`),
  type('IQ3_XS', 22, 'IQ3_S', said`3.3 bit: IQ3_S with fewer bits for queries and keys`),
  type('Q3_K_S', 11, 'Q3_K', said`3.4 bit in all layers`),
  type('IQ3_S', 26, 'IQ3_S', said`3.4 bit: better than Q3_K_S`),
  type('IQ3_M', 27, 'IQ3_S', said`3.7 bit: four for value and output layers`),
  type('Q3_K_M', 12, 'Q3_K', said`3.9 bit: more for value, down and output layers`),
  type('Q3_K_L', 13, 'Q3_K', said`4.3 bit: five for value, down and output layers`),
  type('IQ4_XS', 30, 'IQ4_XS', said`4.25 bit: nearly as good as Q4_K, smaller`),
  type('MXFP4_MOE', 38, 'MXFP4', said`4.25 bit floating point for experts, 8 bit for the rest`),
  type('IQ4_NL', 25, 'IQ4_NL', said`4.5 bit, levels fitted to the distribution of weights`),
  type('Q4_0', 2, 'Q4_0', said`4.5 bit, one scale per 32 weights: fast, less accurate`),
  type('Q4_K_S', 14, 'Q4_K', said`4.5 bit, more for the first layers`),
  type('Q4_K_M', 15, 'Q4_K', said`4.8 bit, more for half of the value and down layers: the usual choice`),
  type('Q4_1', 3, 'Q4_1', said`5 bit, scale and minimum per 32 weights`),
  type('Q5_K_S', 16, 'Q5_K', said`5.5 bit in all layers`),
  type('Q5_0', 8, 'Q5_0', said`5.5 bit, one scale per 32 weights`),
  type('Q5_K_M', 17, 'Q5_K', said`5.7 bit, more for half of the value and down layers`),
  type('Q5_1', 9, 'Q5_1', said`6 bit, scale and minimum per 32 weights`),
  type('Q6_K', 18, 'Q6_K', said`6.6 bit: close to the original`),
  type('Q8_0', 7, 'Q8_0', said`8.5 bit: hardly distinguishable from the original`),
  type('F16', 1, 'F16', said`16 bit, IEEE half precision: not quantized`),
  type('BF16', 32, 'BF16', said`16 bit, bfloat16: not quantized`),
  type('F32', 0, 'F32', said`32 bit: not quantized`),
];

/** Aliases that llama-quantize accepts. */
const aliases: Readonly<Record<string, string>> = { Q3_K: 'Q3_K_M', Q4_K: 'Q4_K_M', Q5_K: 'Q5_K_M' };

/**
 * A file type by its name, in any case.
 * @throws QuantscopeError REQUEST listing the known ones.
 */
export function fileTypeNamed(name: string): FileType {
  const upper = name.toUpperCase();
  const found = fileTypes.find((candidate) => candidate.name === (aliases[upper] ?? upper));
  if (found) return found;
  const known = fileTypes.map((candidate) => candidate.name);
  const message = said`"${name}" is not a file type that can be exported.${suggestion(name, known)}`;
  throw new QuantscopeError('REQUEST', said`${message} The file types are: ${known.join(', ')}.`);
}

/** File types that stand for several of one base: the one without larger or smaller layers. */
const plainest: Readonly<Record<string, string>> = {
  Q2_K: 'Q2_K',
  Q3_K: 'Q3_K_M',
  Q4_K: 'Q4_K_M',
  Q5_K: 'Q5_K_M',
  IQ2_XS: 'IQ2_XS',
  IQ2_S: 'IQ2_M',
  IQ3_S: 'IQ3_S',
};

/** The file type that a file whose weights are mostly of a ggml type is said to have; F32 where there is none. */
export function fileTypeOfMajority(base: string): FileType {
  const name = plainest[base];
  const found = fileTypes.find((candidate) => (name ? candidate.name === name : candidate.base === base));
  return found ?? fileTypes[fileTypes.length - 1]!;
}

/** ggml types that a tensor can be exported in: those that the addon encodes; F32 needs no encoder. */
export const encodableTypes: ReadonlySet<string> = new Set([...ggmlFormats.map(({ name }) => name), 'F32']);

const needing = (...needs: readonly unknown[]): ReadonlySet<string> =>
  new Set(ggmlFormats.filter(({ encoding }) => needs.includes(encoding.importance)).map(({ name }) => name));
const importanceTypes = needing('required', 'expected');

/** Types whose encoder requires importance weights, whatever the tensor. */
export const searchesByImportance = needing('required');

/** Whether llama.cpp writes a file type only with an importance matrix. IQ3_XS has IQ3_XXS for queries and keys. */
export function fileTypeNeedsImportance({ base, name }: FileType): boolean {
  return name === 'Q2_K_S' || name === 'IQ3_XS' || importanceTypes.has(base);
}

/**
 * Whether llama.cpp refuses to write a tensor in a type without an importance matrix, as its quality would be too low.
 * @param fileType name of the file type, if one is written.
 */
export function needsImportance(tensorType: string, name: string, fileType?: string): boolean {
  if (['output.weight', 'token_embd.weight', 'per_layer_token_embd.weight'].includes(name))
    return searchesByImportance.has(tensorType);
  return importanceTypes.has(tensorType) || (tensorType === 'Q2_K' && fileType === 'Q2_K_S');
}
