import { QuantscopeError } from '../../model/errors';
import { isRecord } from '../../model/json';

/**
 * How byte-level tokenizers cut text into words. llama.cpp has these patterns built in and picks one by the name in
 * `tokenizer.ggml.pre`, so the definition in tokenizer.json must be recognised; a wrong guess would change the tokens of
 * almost any text.
 */
const llama3Pattern =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const tekkenPattern =
  '[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const o200kPattern =
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const deepseek3Patterns = [
  '\\p{N}{1,3}',
  '[一-龥぀-ゟ゠-ヿ]+',
  '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+',
];
const qwen35Pattern =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const seedCoderPattern =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const deepseekCoderPatterns = ['[\r\n]', '\\s?\\p{L}+', '\\s?\\p{P}+', '[一-龥ࠀ-一가-퟿]+'];
const bloomPattern = ' ?[^(\\s|[.,!?…。，、।۔،])]+';
const gpt2Pattern = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/** Steps of a definition, joined, → its name in llama.cpp. `bytes` maps bytes to letters; `words` is GPT-2's pattern. */
const known: ReadonlyMap<string, string> = new Map([
  ['words, bytes', 'gpt-2'],
  [`split ${gpt2Pattern}, bytes`, 'gpt-2'],
  [`split ${llama3Pattern}, bytes`, 'llama-bpe'],
  [`split ${llama3Pattern.replace('\\p{N}{1,3}', '\\p{N}')}, bytes`, 'qwen2'],
  [`split ${tekkenPattern}, bytes`, 'tekken'],
  [`split ${o200kPattern}, bytes`, 'gpt-4o'],
  [[...deepseek3Patterns.map((pattern) => `split ${pattern}`), 'bytes'].join(', '), 'deepseek-v3'],
  [`split ${qwen35Pattern}, bytes`, 'qwen35'],
  [`split ${seedCoderPattern}, bytes`, 'seed-coder'],
  [
    [...deepseekCoderPatterns.map((pattern) => `split ${pattern}`), 'single digits', 'bytes'].join(', '),
    'deepseek-coder',
  ],
  [`split ${bloomPattern}, bytes`, 'bloom'],
  [`split ${bloomPattern}, single digits, bytes`, 'viking'],
  ['runs of punctuation, words, bytes, digits, split [0-9][0-9][0-9]', 'falcon'],
  ['single digits, words, bytes', 'smollm'],
]);

/**
 * The name of a pre-tokenizer for `tokenizer.ggml.pre`.
 * @param definition `pre_tokenizer` of tokenizer.json.
 * @param ignoreMerges `ignore_merges` of the model: llama.cpp looks words up as a whole under "llama-bpe" and "tekken",
 * and merges them under "dbrx", which cuts as "llama-bpe" does.
 * @throws QuantscopeError UNSUPPORTED naming the definition when llama.cpp has no name for it here.
 */
export function preTokenizerName(definition: unknown, file: string, ignoreMerges = false): string {
  const steps = stepsOf(definition).join(', ');
  const name = known.get(steps);
  if (name === 'llama-bpe' && !ignoreMerges) return 'dbrx';
  if (name === 'tekken' && !ignoreMerges) {
    const message =
      'llama.cpp takes words that are tokens whole with this pre-tokenizer (tekken); this tokenizer does not.';
    throw new QuantscopeError('UNSUPPORTED', message, { file });
  }
  if (name !== undefined) return name;
  const names = [...new Set(known.values())].join(', ');
  const message = `The pre-tokenizer (${steps}) is not one that can be exported; recognised are those of ${names}.`;
  throw new QuantscopeError('UNSUPPORTED', message, { file });
}

/** True when text is mapped to bytes before merging, as GPT-2 does it. */
export function isByteLevel(definition: unknown): boolean {
  return stepsOf(definition).includes('bytes');
}

function stepsOf(definition: unknown): string[] {
  if (!isRecord(definition)) return [];
  const type = String(definition['type']);
  const describe = stepDescriptions[type];
  return describe ? describe(definition) : [`${type} ${JSON.stringify(definition)}`];
}

const stepDescriptions: Readonly<Record<string, (step: Record<string, unknown>) => string[]>> = {
  Sequence: (step) => {
    const inner: unknown = step['pretokenizers'];
    return Array.isArray(inner) ? inner.flatMap(stepsOf) : [];
  },
  ByteLevel: (step) => [
    ...(step['add_prefix_space'] === true ? ['space before the text'] : []),
    ...(step['use_regex'] === false ? [] : ['words']),
    'bytes',
  ],
  Punctuation: (step) => [
    step['behavior'] === 'Contiguous' ? 'runs of punctuation' : `Punctuation ${JSON.stringify(step)}`,
  ],
  Digits: (step) => [step['individual_digits'] === true ? 'single digits' : 'digits'],
  Split: (step) => {
    const pattern = isRecord(step['pattern']) ? step['pattern']['Regex'] : undefined;
    // Keeping the matches as pieces, said in either of two ways.
    const isolates =
      (step['behavior'] === 'Isolated' && step['invert'] !== true) ||
      (step['behavior'] === 'Removed' && step['invert'] === true);
    return [typeof pattern === 'string' && isolates ? `split ${pattern}` : `Split ${JSON.stringify(step)}`];
  },
};
