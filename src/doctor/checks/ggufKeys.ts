import type { GgufFile } from '../../model/gguf';
import type { Check, CheckContext } from '../check';
import { said } from '../../protocol/said';

/** A key that llama.cpp asks every language model for; any of several where it takes either. `%` is the architecture. */
interface RequiredKey {
  readonly keys: readonly string[];
  /** Whether it counts for a file with these tensors. */
  readonly when?: (file: GgufFile, names: ReadonlySet<string>) => boolean;
}

const hasAttention = (_: GgufFile, names: ReadonlySet<string>): boolean =>
  [...names].some((name) => /^blk\.\d+\.attn_(q|qkv)\.weight$/.test(name));

const hasTokenizer = ({ metadata }: GgufFile): boolean => {
  const model = metadata.get('tokenizer.ggml.model')?.scalar;
  return model !== undefined && model !== 'none' && model !== 'no_vocab';
};

const isByteLevel = ({ metadata }: GgufFile): boolean =>
  metadata.get('tokenizer.ggml.model')?.scalar === 'gpt2';

const required: readonly RequiredKey[] = [
  { keys: ['%.context_length'] },
  { keys: ['%.embedding_length'] },
  { keys: ['%.block_count'] },
  { keys: ['%.attention.head_count'], when: hasAttention },
  { keys: ['%.attention.layer_norm_rms_epsilon', '%.attention.layer_norm_epsilon'], when: hasAttention },
  { keys: ['tokenizer.ggml.model'] },
  { keys: ['tokenizer.ggml.tokens'], when: hasTokenizer },
  { keys: ['tokenizer.ggml.merges'], when: isByteLevel },
];

/** Numbers that are at least 1. */
const counts = ['context_length', 'embedding_length', 'block_count', 'attention.head_count'];

/** Lists with an entry for each token. */
const tokenLists = ['scores', 'token_type'];

/** Keys of GGUF files that llama.cpp requires, and lists of the tokenizer. */
export const ggufKeysCheck: Check = {
  codes: [
    'gguf/missing-key',
    'gguf/wrong-value',
    'tokenizer/list-lengths',
    'tokenizer/too-many-tokens',
    'special-tokens/out-of-range',
  ],
  run({ model }, context) {
    const gguf = model?.gguf;
    if (!gguf || model.description.part?.alone) return;
    const file = model.description.files[0]?.path ?? model.description.path;
    const names = new Set(model.description.tensors.map(({ name }) => name));
    if (names.size > 0) hyperParameters(gguf, names, file, context);
    const rows = model.description.tensors.find(({ name }) => name === 'token_embd.weight')?.shape[0];
    tokenizerLists(gguf, rows, file, context);
  },
};

function hyperParameters(
  gguf: GgufFile,
  names: ReadonlySet<string>,
  file: string,
  { report }: CheckContext,
): void {
  const type = gguf.metadata.get('general.type')?.scalar;
  if (type !== undefined && type !== 'model') return; // an adapter, a vision part, an importance matrix
  const architecture = gguf.metadata.get('general.architecture')?.scalar;
  if (typeof architecture !== 'string') {
    const key = ['general.architecture'];
    report({
      code: 'gguf/missing-key',
      file,
      key,
      message: said`The file lacks "general.architecture": no program can load it.`,
    });
    return;
  }
  if (!names.has('token_embd.weight')) return; // another kind of model
  const full = (key: string): string => key.replace('%', architecture);
  for (const { keys, when } of required) {
    if (when && !when(gguf, names)) continue;
    if (keys.some((key) => gguf.metadata.has(full(key)))) continue;
    const named = keys.map((key) => JSON.stringify(full(key))).join(' or ');
    report({
      code: 'gguf/missing-key',
      file,
      key: [full(keys[0]!)],
      message: said`The file lacks ${named}, which llama.cpp requires.`,
    });
  }
  for (const key of counts) {
    const value = gguf.metadata.get(`${architecture}.${key}`);
    if (value?.scalar === undefined || (Number.isInteger(Number(value.scalar)) && Number(value.scalar) >= 1))
      continue;
    report({
      ...{ code: 'gguf/wrong-value', file, offset: value.offset, key: [`${architecture}.${key}`] },
      message: said`"${architecture}.${key}" is ${String(value.scalar)}; it must be a whole number of at least 1.`,
    });
  }
}

function tokenizerLists(
  { metadata }: GgufFile,
  rows: number | undefined,
  file: string,
  { report }: CheckContext,
): void {
  const tokens = metadata.get('tokenizer.ggml.tokens');
  const count = tokens?.array?.length;
  if (count === undefined) return;
  for (const list of tokenLists) {
    const key = `tokenizer.ggml.${list}`;
    const value = metadata.get(key);
    const length = value?.array?.length;
    if (length === undefined || length === count) continue;
    report({
      ...{ code: 'tokenizer/list-lengths', file, offset: value!.offset, key: [key] },
      message: said`"${key}" has ${length} entries, but there are ${count} tokens.`,
    });
  }
  if (rows !== undefined && rows !== count)
    report({
      ...{
        code: rows < count ? 'tokenizer/too-many-tokens' : 'tokenizer/list-lengths',
        file,
        offset: tokens!.offset,
      },
      ...{ tensor: 'token_embd.weight', key: ['tokenizer.ggml.tokens'] },
      message: said`The file has ${count} tokens, but its embedding has ${rows} rows: llama.cpp needs the same number of both.`,
    });
  for (const [key, { scalar, offset }] of metadata) {
    if (!/^tokenizer\.ggml\.\w+_token_id$/.test(key) || scalar === undefined) continue;
    if (Number(scalar) < count || Number(scalar) >= 2 ** 32 - 1) continue; // −1 as u32: none
    report({
      ...{ code: 'special-tokens/out-of-range', file, offset, key: [key] },
      message: said`"${key}" is ${String(scalar)}, but there are ${count} tokens.`,
    });
  }
}
