import { QuantscopeError } from '../../model/errors';

/** A GGUF file type: what llama.cpp calls a preset. */
export interface FileType {
  readonly name: string;
  /** Value of `general.file_type` (llama.h, llama_ftype). */
  readonly id: number;
  /** The ggml type that weights get unless a rule of the mixture says otherwise. */
  readonly base: string;
  readonly label: string;
}

/** The file types that can be exported, smallest first. */
export const fileTypes: readonly FileType[] = [
  { name: 'Q4_0', id: 2, base: 'Q4_0', label: '4 bit, one scale per 32 weights: fast, the least accurate' },
  { name: 'Q4_K_M', id: 15, base: 'Q4_K', label: '4 bit, more for half of the value and down layers' },
  { name: 'Q5_K_M', id: 17, base: 'Q5_K', label: '5 bit, more for half of the value and down layers' },
  { name: 'Q6_K', id: 18, base: 'Q6_K', label: '6 bit: close to the original' },
  { name: 'Q8_0', id: 7, base: 'Q8_0', label: '8 bit: hardly distinguishable from the original' },
  { name: 'F16', id: 1, base: 'F16', label: '16 bit, IEEE half precision: not quantized' },
  { name: 'BF16', id: 32, base: 'BF16', label: '16 bit, bfloat16: not quantized' },
];

/**
 * A file type by its name, in any case.
 * @throws QuantscopeError REQUEST listing the known ones.
 */
export function fileTypeNamed(name: string): FileType {
  const found = fileTypes.find((type) => type.name === name.toUpperCase());
  if (found) return found;
  const known = fileTypes.map((type) => type.name).join(', ');
  throw new QuantscopeError('REQUEST', `"${name}" is not a file type that can be exported; choose ${known}.`);
}

/** `general.file_type` of a file whose weights are mostly of a ggml type; F32 is 0. */
export function fileTypeIdOfMajority(type: string): number {
  return fileTypes.find((candidate) => candidate.base === type)?.id ?? 0;
}

/**
 * ggml types that a tensor can be exported in: those that the addon encodes (F32 needs no encoder), without the ones that
 * llama.cpp writes only with an importance matrix.
 */
export const encodableTypes: ReadonlySet<string> = new Set([
  ...['F32', 'F16', 'BF16'],
  ...['Q1_0', 'Q2_0', 'Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q8_0'],
  ...['Q2_K', 'Q3_K', 'Q4_K', 'Q5_K', 'Q6_K'],
  ...['IQ3_S', 'IQ4_NL', 'IQ4_XS'],
  ...['TQ1_0', 'TQ2_0', 'MXFP4', 'NVFP4'],
]);
