import type { Severity } from '../protocol/doctor';
import { said } from '../protocol/said';

interface CodeRow {
  readonly severity: Severity;
  /** What it says, in a few words. */
  readonly title: string;
  /** Found by reading weights. */
  readonly weights?: true;
}

/** All that the doctor looks for. Codes are stable; docs/DOCTOR.md has a section for each. */
export const codes = {
  'file/unreadable': { severity: 'error', title: said`A file breaks the rules of its format` },
  'file/not-a-model': { severity: 'error', title: said`A file is something else than its name says` },
  'file/header-cut': { severity: 'error', title: said`A file ends inside its header` },
  'file/truncated': { severity: 'error', title: said`A file ends before its data does` },
  'layout/overlap': { severity: 'error', title: said`Data of two tensors overlaps` },
  'layout/gap': { severity: 'error', title: said`Data of a safetensors file has a gap` },
  'layout/wrong-size': { severity: 'error', title: said`A tensor has another size than its shape needs` },
  'layout/misaligned': { severity: 'error', title: said`Data of a GGUF file is not aligned` },
  'layout/unaligned-elements': {
    severity: 'note',
    title: said`Elements do not begin at multiples of their size`,
  },
  'layout/unused-bytes': { severity: 'warning', title: said`Bytes follow the last tensor` },
  'index/unreadable': { severity: 'error', title: said`The index of shards cannot be used` },
  'index/missing-shard': { severity: 'error', title: said`A shard or part is missing` },
  'index/missing-tensor': { severity: 'error', title: said`The index lists a tensor that no shard has` },
  'index/unlisted-tensor': {
    severity: 'warning',
    title: said`A shard has a tensor that the index does not list`,
  },
  'index/wrong-shard': { severity: 'error', title: said`The index names another shard for a tensor` },
  'index/doubled-tensor': { severity: 'error', title: said`A tensor is in two files` },
  'config/unreadable': { severity: 'error', title: said`A JSON file of the model cannot be read` },
  'config/invalid-value': { severity: 'error', title: said`A value of config.json is not possible` },
  'config/other-model': {
    severity: 'warning',
    title: said`The configuration is that of another model`,
  },
  'tensor/missing': { severity: 'error', title: said`A tensor of the architecture is missing` },
  'tensor/unexpected': { severity: 'warning', title: said`The architecture does not have this tensor` },
  'tensor/wrong-shape': {
    severity: 'error',
    title: said`A tensor has another shape than the configuration says`,
  },
  'tokenizer/unreadable': { severity: 'error', title: said`The tokenizer cannot be used` },
  'tokenizer/too-many-tokens': { severity: 'error', title: said`A token has no row in the embedding` },
  'tokenizer/doubled-id': { severity: 'error', title: said`Two tokens have one id` },
  'tokenizer/list-lengths': { severity: 'error', title: said`Lists of the tokenizer have different lengths` },
  'special-tokens/out-of-range': { severity: 'error', title: said`The id of a special token is no token` },
  'special-tokens/unknown': { severity: 'error', title: said`A special token is not in the vocabulary` },
  'special-tokens/disagree': { severity: 'warning', title: said`Files name different special tokens` },
  'chat-template/invalid': { severity: 'error', title: said`The chat template cannot be parsed` },
  'chat-template/does-not-render': {
    severity: 'error',
    title: said`The chat template fails on a plain conversation`,
  },
  'chat-template/drops-text': { severity: 'error', title: said`The chat template leaves out what is said` },
  'chat-template/no-generation-prompt': {
    severity: 'note',
    title: said`The chat template ignores the generation prompt`,
  },
  'chat-template/ignores-system': {
    severity: 'note',
    title: said`The chat template leaves out the system message`,
  },
  'chat-template/differs': { severity: 'warning', title: said`Files have different chat templates` },
  'chat-template/missing': { severity: 'note', title: said`There are tokens of a chat, but no template` },
  'gguf/missing-key': { severity: 'error', title: said`A key that llama.cpp requires is missing` },
  'gguf/wrong-value': { severity: 'error', title: said`A key of a GGUF file has an impossible value` },
  'quantized/zero-convention': {
    severity: 'error',
    title: said`Zero points are not stored as config.json says`,
  },
  'quantized/group-size': { severity: 'error', title: said`The group size does not fit a weight` },
  'quantized/incomplete': { severity: 'error', title: said`A part of a quantized weight is missing` },
  'values/nan': { severity: 'error', title: said`Weights are NaN`, weights: true },
  'values/infinite': { severity: 'error', title: said`Weights are infinite`, weights: true },
  'values/all-zero': { severity: 'warning', title: said`All weights of a matrix are 0`, weights: true },
  'values/dead-rows': { severity: 'warning', title: said`Rows have no weight other than 0`, weights: true },
  'values/dead-columns': {
    severity: 'warning',
    title: said`Columns have no weight other than 0`,
    weights: true,
  },
  'values/f16-overflow': {
    severity: 'warning',
    title: said`Weights are beyond the range of half precision`,
    weights: true,
  },
  'values/bad-scale': { severity: 'error', title: said`A scale is not finite, or saturated`, weights: true },
  'values/duplicate': { severity: 'warning', title: said`Two tensors hold the same weights`, weights: true },
} as const satisfies Readonly<Record<string, CodeRow>>;

export type Code = keyof typeof codes;

export const isCode = (text: string): text is Code => Object.hasOwn(codes, text);

export const readsWeights = (code: Code): boolean => (codes[code] as CodeRow).weights === true;
