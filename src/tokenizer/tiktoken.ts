import { QuantscopeError } from '../model/errors';
import { isRecord } from '../model/json';
import { stated } from '../model/statedValue';
import { lettersOf } from './byteLetters';
import { cl100kPattern, kimiPattern, qwen2Pattern } from './preTokenizerPatterns';
import { tokenizerOfRanks, type SpecialToken } from './ranks';
import { said } from '../protocol/said';

const line = /^([A-Za-z0-9+/]+={0,2}) (\d+)$/;

/** Whether a file begins as a list of ranks: a token in base64 and its rank on each line. */
export function isRankFile(bytes: Uint8Array): boolean {
  const [first = ''] = Buffer.from(bytes.subarray(0, 1024)).toString('latin1').split(/\r?\n/);
  return line.test(first);
}

interface RankClass {
  readonly pattern: string;
  /** Names of the special tokens, whose ids follow the ranks. */
  readonly special: (firstId: number) => readonly string[];
  /** Their roles in the terms of tokenizer_config.json, where that does not say. */
  readonly roles: Readonly<Record<string, string>>;
  /** Special tokens before a text. */
  readonly before: readonly string[];
}

const numbered = (count: number, name: (index: number) => string): string[] =>
  Array.from({ length: count }, (_, index) => name(index));

const llama3: RankClass = {
  pattern: cl100kPattern,
  special: () => [
    ...['<|begin_of_text|>', '<|end_of_text|>', '<|reserved_special_token_0|>'],
    ...['<|reserved_special_token_1|>', '<|finetune_right_pad_id|>', '<|step_id|>', '<|start_header_id|>'],
    ...['<|end_header_id|>', '<|eom_id|>', '<|eot_id|>', '<|python_tag|>'],
    ...numbered(245, (index) => `<|reserved_special_token_${index + 2}|>`),
  ],
  roles: { bos_token: '<|begin_of_text|>', eos_token: '<|end_of_text|>' },
  before: ['<|begin_of_text|>'],
};
const qwen: RankClass = {
  pattern: qwen2Pattern,
  special: () => [
    ...['<|endoftext|>', '<|im_start|>', '<|im_end|>'],
    ...numbered(205, (index) => `<|extra_${index}|>`),
  ],
  roles: { bos_token: '<|endoftext|>', eos_token: '<|endoftext|>', pad_token: '<|endoftext|>' },
  before: [],
};
const kimi: RankClass = {
  pattern: kimiPattern,
  special: (firstId) => numbered(256, (index) => `<|reserved_token_${firstId + index}|>`),
  roles: {},
  before: [],
};

/** By the class in tokenizer_config.json, without "Fast". */
const classes: ReadonlyMap<string, RankClass> = new Map([
  ['LlamaTokenizer', llama3],
  ['QWenTokenizer', qwen],
  ['TikTokenTokenizer', kimi],
]);

/** Ranks of Llama 3, whose own folders have no tokenizer_config.json, or one that names no class of its own. */
const llama3Ranks = 128_000;

/** A tokenizer.json equivalent, and the roles of its special tokens where tokenizer_config.json does not say. */
export interface RankTokenizer {
  readonly tokenizer: Record<string, unknown>;
  readonly roles: Readonly<Record<string, string>>;
}

/**
 * The tokenizer of a tiktoken file. Pattern and special tokens are not in it; they are those of the class in tokenizer_config.json, whose
 * `added_tokens_decoder` takes precedence.
 * @param config tokenizer_config.json.
 * @throws QuantscopeError MODEL_FILE for a damaged line, UNSUPPORTED for a class that is not known.
 */
export function tokenizerOfTiktoken(
  bytes: Uint8Array,
  config: Record<string, unknown> | undefined,
  file: string,
): RankTokenizer {
  const ranks = ranksOf(bytes, file);
  const { pattern, special, roles, before } = classOf(config, ranks.size, file);
  const firstId = [...ranks.values()].reduce((most, rank) => Math.max(most, rank + 1), 0);
  const named = namesOf(config);
  const tokens: SpecialToken[] = special(firstId).map((content, index) => {
    const id = firstId + index;
    return { id, content: named.get(id) ?? content, special: true };
  });
  return { tokenizer: tokenizerOfRanks({ ranks, pattern, firstId: 0, special: tokens, before }), roles };
}

function ranksOf(bytes: Uint8Array, file: string): Map<string, number> {
  const ranks = new Map<string, number>();
  const seen = new Set<number>();
  const lines = Buffer.from(bytes).toString('latin1').split(/\r?\n/);
  lines.forEach((text, index) => {
    if (text === '') return;
    const [, token = '', digits = ''] = line.exec(text) ?? [];
    const rank = Number(digits);
    const letters = lettersOf(Buffer.from(token, 'base64'));
    if (letters === '' || !Number.isSafeInteger(rank) || seen.has(rank) || ranks.has(letters)) {
      const message = said`Line ${index + 1} is ${JSON.stringify(text.slice(0, 80))}, not a token in base64 and its rank, each once.`;
      throw new QuantscopeError('MODEL_FILE', message, { file });
    }
    ranks.set(letters, rank);
    seen.add(rank);
  });
  return ranks;
}

const isGeneral = (name: unknown): boolean =>
  typeof name === 'string' && /^PreTrainedTokenizer(Fast)?$/.test(name);

function classOf(config: Record<string, unknown> | undefined, count: number, file: string): RankClass {
  const name = config?.['tokenizer_class'];
  // The general class says nothing of the pattern: these are the ranks that are published with it.
  if ((name === undefined || isGeneral(name)) && count === llama3Ranks) return llama3;
  const known = typeof name === 'string' ? classes.get(name.replace(/Fast$/, '')) : undefined;
  if (known) return known;
  const names = [...classes.keys()].join(', ');
  const message = said`"tokenizer_class" ${stated(name)}, so pattern and special tokens of this list of ranks are not known; known are those of ${names}. A tokenizer.json would state them.`;
  throw new QuantscopeError('UNSUPPORTED', message, { file });
}

/** `added_tokens_decoder`: id → text. */
function namesOf(config: Record<string, unknown> | undefined): Map<number, string> {
  const decoder = config?.['added_tokens_decoder'];
  const entries = isRecord(decoder) ? Object.entries(decoder) : [];
  return new Map(
    entries.flatMap(([id, entry]): [number, string][] =>
      isRecord(entry) && typeof entry['content'] === 'string' ? [[Number(id), entry['content']]] : [],
    ),
  );
}
