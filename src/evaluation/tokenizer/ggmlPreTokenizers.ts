import { deepseekLetters } from '../../tokenizer/preTokenizerPatterns';

/**
 * How llama.cpp cuts text into words under each name of `tokenizer.ggml.pre`. These are its own expressions (llama-vocab.cpp,
 * llm_tokenizer_bpe), not those of the tokenizer.json that a file may come from: in a few cases they differ, and the ids of a
 * GGUF file are what llama.cpp makes of it.
 */
export interface GgmlPreTokenizer {
  /** Applied one after the other, each to what the earlier ones left as pieces; what a pattern does not match is a piece, too. */
  readonly patterns: readonly string[];
  /** Words that are tokens are taken whole, without merging. */
  readonly ignoreMerges: boolean;
  /** What `tokenizer.ggml.add_bos_token` is when a file does not say. */
  readonly addsBos: boolean;
}

const raw = String.raw;
const contraction = raw`'(?:[sS]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])`;
const spaces = raw`\s+(?!\S)|\s+`;
const breaksAndSpaces = raw`\s*[\r\n]+|${spaces}`;
const symbols = raw` ?[^\s\p{L}\p{N}]+[\r\n]*`;
const symbolsWithSlash = raw` ?[^\s\p{L}\p{N}]+[\r\n/]*`;
/** One character that is neither letter nor number belongs to the word after it. */
const before = raw`[^\r\n\p{L}\p{N}]?`;

const gpt2 = raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|${spaces}`;
const llama3 = (numbers: string): string =>
  raw`${contraction}|${before}\p{L}+|${numbers}|${symbols}|${breaksAndSpaces}`;
const qwen35 = raw`${contraction}|${before}[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|${breaksAndSpaces}`;
const seedCoder = raw`${contraction}|${before}\p{L}+|\p{N}| ?[^\s\p{L}\p{N}\r\n]+|${breaksAndSpaces}`;

/** Words that begin with upper-case letters and continue in lower-case ones; either part may be missing. */
const casedWords = (upper: string, lower: string, end: string): string =>
  `${before}${upper}*${lower}+${end}|${before}${upper}+${lower}*${end}`;
/** llama.cpp takes letters beyond ASCII for either case here. */
const approximateCase = (end: string): string =>
  casedWords(raw`(?:(?=\p{L})[^a-z])`, raw`(?:(?=\p{L})[^A-Z])`, end);
const upperLetters = raw`\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}`;
const lowerLetters = raw`\p{Ll}\p{Lm}\p{Lo}\p{M}`;
const tekken = raw`${approximateCase('')}|\p{N}|${symbolsWithSlash}|${breaksAndSpaces}`;
const o200kRest = raw`\p{N}{1,3}|${symbolsWithSlash}|${breaksAndSpaces}`;
const gpt4o = `${approximateCase(`(?:${contraction})?`)}|${o200kRest}`;
const tinyAya = `${casedWords(`[${upperLetters}]`, `[${lowerLetters}]`, `(?:${contraction})?`)}|${o200kRest}`;
const kimi = raw`\p{Han}+|${casedWords(
  raw`[${upperLetters}&&[^\p{Han}]]`,
  raw`[${lowerLetters}&&[^\p{Han}]]`,
  `(?:${contraction})?`,
)}|\p{N}{1,3}|${symbols}|${breaksAndSpaces}`;

const deepseek3Words = raw`[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_${'`'}{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|${breaksAndSpaces}`;
const hanAndKana = '[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+';
/** Scripts without spaces between words, as DeepSeek's first tokenizers list them. */
const deepseekScripts = '[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+';
const deepseekPunctuation = raw`\s?[!-/:-~！-／：-～‘-‟　-。]+`;
const afmoeScripts =
  '[\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff\u3040-\u309f\u30a0-\u30ff\uff65-\uff9f\u2f00-\u2fdf\u0e00-\u0e7f\u0e80-\u0eff\u1780-\u17ff\u1000-\u109f\uaa60-\uaa7f\ua9e0-\ua9ff\uac00-\ud7af\u1100-\u11ff]+';
/** Groups of three from the right, the first one shorter where the count is not a multiple. */
const digitsFromTheRight = (digit: string): string => `${digit}{1,3}(?=(?:${digit}{3})*(?!${digit}))`;
const bloom = ' ?[^(\\s|.,!?…。，、।۔،)]+';

const spark = deepseek3Words.replace(raw` ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+`, raw` ?[\p{P}\p{S}]+|[\r\n]`);
const chameleon = [
  ...['<sentinel:[0-9]+>', '(?:IMGIMG)[A-I]{1,4}Z', raw`[\t\n]|    |  `, raw`\p{N}`],
  ...[raw`[\p{P}!-/:-@\[-${'`'}{-~]`, gpt2],
];
const bailing = raw`${contraction}|${before}\p{L}+|\p{N}|${symbols}|\s*[\r\n]|${spaces}`;
const exaoneMoe = raw`${contraction}|${before}(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|${spaces}`;
const spacesByPowers = [512, 256, 128, 64, 32, 16, 8, 4].map((count) => raw`\s{${count}}(?!\S)|`).join('');
const jais2 = raw`${contraction}|${before}\p{L}+|\p{N}{1,3}|${symbols}|\s*[\r\n]+|${spacesByPowers}\s{1,2}(?!\S)|\s`;
const youtuScripts =
  '[\uac00-\ud7a3\u3131-\u318e]+|[！…“”‘’—：；，、-〿︰-﹏]+|[\u3105-\u312f]+|[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+';
const youtu = `${casedWords(`[${upperLetters}]`, `[${lowerLetters}]`, `(?:${contraction})?`)}|${raw`\p{N}|${symbolsWithSlash}|${breaksAndSpaces}`}`;
const graniteEmbedding = `${casedWords(
  raw`(?:(?=[\p{L}\p{M}])[^a-z])`,
  raw`(?:(?=[\p{L}\p{M}])[^A-Z])`,
  `(?:${contraction})?`,
)}|${o200kRest}`;

interface Family {
  readonly names: readonly string[];
  readonly patterns: readonly string[];
  readonly ignoreMerges?: true;
  readonly addsBos?: true;
}

const families: readonly Family[] = [
  {
    names: ['default'],
    patterns: [raw`[\p{P}\$\+<=>\^~\|]+`, gpt2, raw`\p{N}+`, '[0-9][0-9][0-9]'],
  },
  {
    names: [
      ...['gpt-2', 'phi-2', 'gigachat', 'a.x-4.0', 'mellum', 'exaone4', 'mpt', 'olmo', 'jais', 'trillion'],
      ...['modern-bert', 'granite-docling', 'roberta-bpe', 'jina-es', 'jina-de', 'jina-v2-es', 'jina-v2-de'],
      ...['jina-v1-en', 'jina-v2-code'],
    ],
    patterns: [gpt2],
  },
  {
    names: ['starcoder', 'refact', 'command-r', 'smollm', 'codeshell', 'exaone', 'minerva-7b', 'mellum2'],
    patterns: [raw`\p{N}`, gpt2],
  },
  {
    names: [
      ...['llama3', 'llama-v3', 'llama-bpe', 'falcon3', 'falcon-h1', 'pixtral', 'midm-2.0', 'lfm2'],
      'jina-v5-nano',
    ],
    patterns: [llama3(raw`\p{N}{1,3}`)],
    ...{ ignoreMerges: true, addsBos: true },
  },
  { names: ['dbrx', 'smaug-bpe', 'glm4', 'chatglm-bpe'], patterns: [llama3(raw`\p{N}{1,3}`)] },
  { names: ['minicpm5'], patterns: [raw`\p{N}{1,3}`, llama3(raw`\p{N}+`)], ignoreMerges: true },
  {
    names: [
      ...['qwen2', 'deepseek-r1-qwen', 'kormo', 'megrez', 'stablelm2', 'hunyuan', 'solar-open', 'grok-2'],
      'f2llmv2',
    ],
    patterns: [llama3(raw`\p{N}`)],
  },
  { names: ['qwen35'], patterns: [qwen35] },
  { names: ['seed-coder'], patterns: [seedCoder] },
  { names: ['tekken'], patterns: [tekken], ignoreMerges: true, addsBos: true },
  { names: ['gpt-4o', 'llama4', 'kanana2', 'minimax-m2', 'talkie'], patterns: [gpt4o] },
  { names: ['tiny_aya', 'cohere2moe'], patterns: [digitsFromTheRight(raw`\d`), tinyAya] },
  { names: ['kimi-k2'], patterns: [kimi] },
  {
    names: ['falcon'],
    patterns: [raw`[\p{P}\$\+<=>\^~\|${'`'}]+`, gpt2, '[0-9][0-9][0-9]'],
  },
  {
    names: ['deepseek-llm'],
    patterns: [
      raw`[\r\n]`,
      raw`\s?[${deepseekLetters}]+`,
      deepseekPunctuation,
      raw`\s+$`,
      deepseekScripts,
      raw`\p{N}+`,
    ],
  },
  {
    names: ['deepseek-coder'],
    patterns: [raw`[\r\n]`, raw`\s?\p{L}+`, raw`\s?\p{P}+`, deepseekScripts, raw`\p{N}`],
  },
  {
    names: ['deepseek-v3', 'hunyuan-dense', 'joyai-llm', 'hy_v4'],
    patterns: [raw`\p{N}{1,3}`, hanAndKana, deepseek3Words],
  },
  { names: ['afmoe'], patterns: [digitsFromTheRight(raw`\p{Nd}`), afmoeScripts, deepseek3Words] },
  { names: ['superbpe'], patterns: [raw`\p{N}+`, raw`(?=(?:\d{3})+(?!\d))`] },
  { names: ['bloom', 'poro-chat', 'gpt3-finnish'], patterns: [bloom] },
  { names: ['viking'], patterns: [bloom, raw`\p{N}`] },
  { names: ['spark2_5'], patterns: [raw`\p{N}{1,3}`, hanAndKana, spark, raw`\p{N}`] },
  { names: ['chameleon'], patterns: chameleon, addsBos: true },
  { names: ['bailingmoe', 'bailingmoe2', 'llada-moe'], patterns: [bailing] },
  { names: ['exaone-moe'], patterns: [exaoneMoe] },
  { names: ['jais-2'], patterns: [jais2] },
  { names: ['ufakzeka'], patterns: [raw`${before}\p{L}+|\p{N}|${symbols}|${breaksAndSpaces}`] },
  { names: ['youtu'], patterns: [youtuScripts, youtu], ignoreMerges: true },
  { names: ['laguna'], patterns: [raw`[^\n]+|[\n]+`, llama3(raw`\p{N}`)] },
  { names: ['granite-embed-multi-97m'], patterns: [graniteEmbedding], ignoreMerges: true },
];

/** By the value of `tokenizer.ggml.pre`. */
export const ggmlPreTokenizers: ReadonlyMap<string, GgmlPreTokenizer> = new Map(
  families.flatMap(({ names, patterns, ignoreMerges = false, addsBos = false }) =>
    names.map((name) => [name, { patterns, ignoreMerges, addsBos }] as const),
  ),
);
