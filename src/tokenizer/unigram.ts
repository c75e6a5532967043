import { joinPlace } from '../model/place';
import { QuantscopeError } from '../model/errors';
import { isRecord } from '../model/json';
import { charsmapOf } from './charsmap';
import { pieceVocabulary } from './pieceVocabulary';
import { stepsIn, type Step } from './steps';
import type { TokenizerFiles } from './tokenizerFiles';
import { tokenTypes, type Normalization, type Token, type Vocabulary } from './vocabulary';
import { said } from '../protocol/said';

/** What llama.cpp does with a character that no piece has, where the tokenizer would take its bytes. */
export const noBytesNote =
  'The tokenizer takes the bytes of characters that it has no piece for; llama.cpp takes its unknown token for them.';

/**
 * A Unigram vocabulary (T5, XLM-RoBERTa…) from tokenizer.json.
 * @param rows rows of the embedding.
 * @throws QuantscopeError MODEL_FILE for a damaged one, UNSUPPORTED for a step of normalization that GGUF cannot express.
 */
export function unigramVocabulary(files: TokenizerFiles, rows: number): Vocabulary {
  const file = joinPlace(files.folder, files.tokenizerName);
  const tokenizer = files.tokenizer ?? {};
  const model: unknown = tokenizer['model'];
  const { vocab, unk_id: unknown, byte_fallback: bytes } = isRecord(model) ? model : {};
  if (!Array.isArray(vocab))
    throw new QuantscopeError('MODEL_FILE', said`The Unigram model lacks its "vocab".`, { file });
  const tokens = new Map<number, Token>(
    vocab.map((entry, id) => [id, pieceOf(entry, id, { unknown, bytes: bytes === true, file })]),
  );
  return pieceVocabulary(files, rows, {
    ...{ model: 't5', tokens, file },
    ...checkedNormalization(normalizationOf(tokenizer, file), file),
    ...(typeof unknown === 'number' ? { ids: { unk: unknown } } : {}),
    around: { addBos: false, addEos: true },
    notes: bytes === true ? [noBytesNote] : [],
  });
}

interface PieceContext {
  readonly unknown: unknown;
  readonly bytes: boolean;
  readonly file: string;
}

function pieceOf(entry: unknown, id: number, { unknown, bytes, file }: PieceContext): Token {
  const [text, score] = Array.isArray(entry) ? (entry as unknown[]) : [];
  if (typeof text !== 'string' || typeof score !== 'number') {
    const message = said`Piece ${id} of the vocabulary is ${JSON.stringify(entry)}, not a text and its score.`;
    throw new QuantscopeError('MODEL_FILE', message, { file });
  }
  if (id === unknown) return { text, score, type: tokenTypes.unknown };
  const isByte = bytes && /^<0x[0-9A-F]{2}>$/.test(text);
  return { text, score, type: isByte ? tokenTypes.byte : tokenTypes.normal };
}

/**
 * What llama.cpp can do of a Unigram model's normalization.
 * @throws QuantscopeError MODEL_FILE for a damaged table of replacements, UNSUPPORTED where llama.cpp would add a space.
 */
export function checkedNormalization(normalization: Normalization, file: string): Normalization {
  const { charsmap, addSpacePrefix, removeExtraSpaces } = normalization;
  if (charsmap) charsmapOf(charsmap, file);
  if (!removeExtraSpaces || addSpacePrefix) return normalization;
  const message = said`The tokenizer removes extra spaces without putting one before the text; llama.cpp would put one there.`;
  throw new QuantscopeError('UNSUPPORTED', message, { file });
}

/** What a step of tokenizer.json means in GGUF; undefined for one that has no meaning there. */
const stepMeanings: Readonly<Record<string, (step: Step, file: string) => Normalization | undefined>> = {
  Precompiled: ({ precompiled_charsmap: table }, file) => tableOf(table, file),
  Metaspace: (step) => ({
    addSpacePrefix: (step['prepend_scheme'] ?? 'always') !== 'never' && step['add_prefix_space'] !== false,
  }),
  Prepend: () => ({ addSpacePrefix: true }),
  WhitespaceSplit: () => ({ removeExtraSpaces: true }),
  // Only together with a step that removes extra spaces, which is checked for.
  Strip: () => ({}),
  Replace: ({ pattern, content }) => {
    const { Regex, String: text } = isRecord(pattern) ? pattern : {};
    if (Regex === ' {2,}' && (content === ' ' || content === '▁')) return { removeExtraSpaces: true };
    return text === ' ' && content === '▁' ? {} : undefined;
  },
};

function normalizationOf(tokenizer: Record<string, unknown>, file: string): Normalization {
  const steps = [
    ...stepsIn(tokenizer['normalizer'], 'normalizers'),
    ...stepsIn(tokenizer['pre_tokenizer'], 'pretokenizers'),
  ];
  const meanings = steps.map((step) => {
    const type = String(step['type']);
    const meaning = Object.hasOwn(stepMeanings, type) ? stepMeanings[type]?.(step, file) : undefined;
    if (meaning) return meaning;
    throw unsupported(`The step ${JSON.stringify(step).slice(0, 300)} of the Unigram tokenizer`, file);
  });
  const normalization: Normalization = Object.assign(
    { addSpacePrefix: false, removeExtraSpaces: false },
    ...meanings,
  ) as Normalization;
  if (!normalization.removeExtraSpaces && steps.some(({ type }) => type === 'Strip'))
    throw unsupported('Removing spaces around a text without those between words', file);
  return normalization;
}

const unsupported = (what: string, file: string): QuantscopeError =>
  new QuantscopeError('UNSUPPORTED', said`${what} cannot be expressed in GGUF.`, { file });

function tableOf(table: unknown, file: string): Normalization {
  if (table === null) return {};
  if (typeof table !== 'string') {
    const message = said`The step Precompiled has no table of replacements (precompiled_charsmap).`;
    throw new QuantscopeError('MODEL_FILE', message, { file });
  }
  const charsmap = new Uint8Array(Buffer.from(table, 'base64'));
  return charsmap.length === 0 ? {} : { charsmap };
}
