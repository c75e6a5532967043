/**
 * How byte-level tokenizers cut text into words: patterns as published in tokenizer.json, and the sequences of them that
 * llama.cpp has names for. Line breaks are escaped here, whether a file escapes them or not.
 */

import type { Step } from './steps';

/** Llama 3's; tiktoken calls it cl100k. */
export const cl100kPattern =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
export const qwen2Pattern = cl100kPattern.replace('\\p{N}{1,3}', '\\p{N}');
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
/** Scripts without spaces between words, as DeepSeek's first tokenizers list them. */
const deepseekScripts = '[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+';
const deepseekCoderPatterns = ['[\\r\\n]', '\\s?\\p{L}+', '\\s?\\p{P}+', deepseekScripts];
/** Letters that have case, as DeepSeek LLM and V2 list them; escaped, as some look alike (K and the sign of kelvin). */
export const deepseekLetters = [
  'A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af',
  '\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5',
  '\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba',
  '\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45',
  '\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe',
  '\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102',
  '\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139',
  '\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3',
  '\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06',
  '\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\u{10400}-\u{1044f}\u{104b0}-\u{104d3}\u{104d8}-\u{104fb}',
  '\u{10c80}-\u{10cb2}\u{10cc0}-\u{10cf2}\u{118a0}-\u{118df}\u{1e900}-\u{1e943}',
].join('');
const deepseekPatterns = [
  '[\\r\\n]',
  `\\s?[${deepseekLetters}]+`,
  '\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+',
  '\\s+$',
  deepseekScripts,
];
/** Digits in groups of three from the right; runs of one script each; then DeepSeek V3's words. */
const afmoePatterns = [
  '\\p{Nd}{1,510}(?=(?>\\p{Nd}{510})*(?:\\P{Nd}|$))|\\G\\p{Nd}{510}',
  '\\A\\p{Nd}{1,2}(?=\\p{Nd}{3}+\\z)',
  '\\A\\p{Nd}{3}|\\G\\p{Nd}{3}',
  '(?:[\\u4E00-\\u9FFF\\u3040-\\u309F\\u30A0-\\u30FF\\u3400-\\u4DBF\\uf900-\\uFAFF\\uFF65-\\uFF9F\\u2F00-\\u2FDF]+|[\\u0E00-\\u0E7F]+|[\\u0E80-\\u0EFF]+|[\\u1780-\\u17FF]+|[\\u1000-\\u109F\\uAA60-\\uAA7F\\uA9E0-\\uA9FF]+|[\\uAC00-\\uD7AF\\u1100-\\u11FF]+)',
  ...deepseek3Patterns.slice(2),
];
export const kimiPattern =
  "[\\p{Han}]+|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const superBpePattern = '(?=(\\d{3})+(?!\\d))';
const digitsFromTheRight = '\\d{1,3}(?=(?:\\d{3})*\\b)';
const bloomPattern = ' ?[^(\\s|[.,!?…。，、।۔،])]+';
export const gpt2Pattern =
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

const bailingPattern =
  "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+";
const exaoneMoePattern =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+";
const spacesByPowers = [512, 256, 128, 64, 32, 16, 8, 4].map((count) => `\\s{${count}}(?!\\S)|`).join('');
const jais2Pattern = cl100kPattern.replace('\\s+(?!\\S)|\\s+', `${spacesByPowers}\\s{1,2}(?!\\S)|\\s{1}`);
const miniCpm5Pattern = cl100kPattern.replace('\\p{N}{1,3}', '\\p{N}+');
const ufakzekaPattern = qwen2Pattern.replace(/^[^|]*(?:\|'[^|]*)*\|/, '');

const cutAt = (pattern: string): Step => ({
  ...{ type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false },
});
const byteLevel = (useRegex: boolean): Step => ({
  ...{ type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: useRegex },
});
const digits = (individual: boolean): Step => ({ type: 'Digits', individual_digits: individual });
/** Maps bytes to letters. */
const bytes = byteLevel(false);
/** Cuts by GPT-2's pattern before that. */
const words = byteLevel(true);
const cut = (...patterns: readonly string[]): Step[] => patterns.map(cutAt);

/**
 * Steps of `pre_tokenizer` as published tokenizers have them, by the name that llama.cpp has for them. Models with other names (Grok 2,
 * GLM 4, StarCoder…) have the same definitions, which llama.cpp cuts in the same way.
 */
export const publishedPreTokenizers: ReadonlyMap<string, readonly Step[]> = new Map([
  ['gpt-2', [words]],
  ['llama-bpe', [...cut(cl100kPattern), bytes]],
  ['qwen2', [...cut(qwen2Pattern), bytes]],
  ['tekken', [...cut(tekkenPattern), bytes]],
  ['gpt-4o', [...cut(o200kPattern), bytes]],
  ['tiny_aya', [...cut(digitsFromTheRight, o200kPattern), bytes]],
  ['deepseek-v3', [...cut(...deepseek3Patterns), bytes]],
  ['afmoe', [...cut(...afmoePatterns), bytes]],
  ['kimi-k2', [...cut(kimiPattern), bytes]],
  ['qwen35', [...cut(qwen35Pattern), bytes]],
  ['seed-coder', [...cut(seedCoderPattern), bytes]],
  ['deepseek-llm', [...cut(...deepseekPatterns), digits(true), bytes]],
  ['deepseek-coder', [...cut(...deepseekCoderPatterns), digits(true), bytes]],
  ['bloom', [...cut(bloomPattern), bytes]],
  ['viking', [...cut(bloomPattern), digits(true), bytes]],
  ['superbpe', [digits(false), ...cut(superBpePattern), bytes]],
  [
    'falcon',
    [{ type: 'Punctuation', behavior: 'Contiguous' }, words, digits(false), ...cut('[0-9][0-9][0-9]')],
  ],
  ['smollm', [digits(true), words]],
  ['bailingmoe', [...cut(bailingPattern), bytes]],
  ['exaone-moe', [...cut(exaoneMoePattern), bytes]],
  ['jais-2', [...cut(jais2Pattern), bytes]],
  ['minicpm5', [...cut('\\p{N}{1,3}', miniCpm5Pattern), bytes]],
  ['ufakzeka', [...cut(ufakzekaPattern), bytes]],
]);
