import { QuantscopeError } from '../model/errors';
import { isRecord } from '../model/json';
import { maxTokens } from '../model/limits';
import { lettersOf } from './byteLetters';
import { tokenizerOfRanks, type SpecialToken } from './ranks';
import { said } from '../protocol/said';

/** Mistral's special tokens by id, of files that do not list their own (mistral-common, versions up to 7). */
const earlySpecial = [
  ...['<unk>', '<s>', '</s>', '[INST]', '[/INST]', '[AVAILABLE_TOOLS]', '[/AVAILABLE_TOOLS]'],
  ...['[TOOL_RESULTS]', '[/TOOL_RESULTS]', '[TOOL_CALLS]', '[IMG]', '<pad>', '[IMG_BREAK]', '[IMG_END]'],
  ...['[PREFIX]', '[MIDDLE]', '[SUFFIX]', '[SYSTEM_PROMPT]', '[/SYSTEM_PROMPT]', '[TOOL_CONTENT]'],
];

/** What Mistral's special tokens are for, in the terms of tokenizer_config.json. */
export const tekkenRoles: Readonly<Record<string, string>> = {
  ...{ bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>', pad_token: '<pad>' },
};

/**
 * The tokenizer.json equivalent of Mistral's tekken.json. Its special tokens have the first ids, the others follow by rank; of these,
 * only as many count as the stated size of the vocabulary has room for.
 * @throws QuantscopeError MODEL_FILE for a damaged file.
 */
export function tokenizerOfTekken(tekken: Record<string, unknown>, file: string): Record<string, unknown> {
  const { config, vocab } = tekken;
  const {
    pattern,
    default_vocab_size: size,
    default_num_special_tokens: count,
  } = isRecord(config) ? config : {};
  if (
    typeof pattern !== 'string' ||
    !isCount(size) ||
    !isCount(count) ||
    count > size ||
    !Array.isArray(vocab)
  ) {
    const message = said`tekken.json lacks its "vocab", or "pattern", "default_vocab_size" or "default_num_special_tokens" of its "config".`;
    throw new QuantscopeError('MODEL_FILE', message, { file });
  }
  const entries = (vocab as unknown[]).slice(0, size - count);
  return tokenizerOfRanks({
    ranks: new Map(entries.map((entry, rank) => [tokenOf(entry, rank, file), rank])),
    ...{ pattern, firstId: count, special: specialTokens(tekken['special_tokens'], count, file) },
    before: [tekkenRoles['bos_token'] ?? ''],
  });
}

const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= maxTokens;

function tokenOf(entry: unknown, rank: number, file: string): string {
  const { rank: stated, token_bytes: bytes } = isRecord(entry) ? entry : {};
  if (stated === rank && typeof bytes === 'string') return lettersOf(Buffer.from(bytes, 'base64'));
  const message = said`Entry ${rank} of the vocabulary is ${JSON.stringify(entry).slice(0, 200)}, not a token of this rank.`;
  throw new QuantscopeError('MODEL_FILE', message, { file });
}

function specialTokens(listed: unknown, count: number, file: string): SpecialToken[] {
  const tokens = new Map<number, SpecialToken>();
  const own = Array.isArray(listed)
    ? (listed as unknown[])
    : earlySpecial.map((token_str, rank) => ({ rank, token_str, is_control: true }));
  for (const entry of own) {
    const { rank: id, token_str: content, is_control: control } = isRecord(entry) ? entry : {};
    if (!isCount(id) || id >= count || typeof content !== 'string') {
      const message = said`The special token ${JSON.stringify(entry).slice(0, 200)} has no text, or no rank below ${count}.`;
      throw new QuantscopeError('MODEL_FILE', message, { file });
    }
    tokens.set(id, { id, content, special: control !== false });
  }
  return Array.from(
    { length: count },
    (_, id) => tokens.get(id) ?? { id, content: `<SPECIAL_${id}>`, special: true },
  );
}
