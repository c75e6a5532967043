import { joinPlace } from '../model/place';
import { QuantscopeError } from '../model/errors';
import { isRecord } from '../model/json';
import { modelType, otherModel } from './otherModels';
import { pieceVocabulary } from './pieceVocabulary';
import { preTokenizerName } from './preTokenizers';
import { unreachable } from './reachable';
import { stepsIn, type Step } from './steps';
import { addedTokens, fileOfToken, tokenIds, type TokenizerFiles } from './tokenizerFiles';
import { fillVocabulary, tokenTypes, type Token, type Vocabulary } from './vocabulary';
import { said } from '../protocol/said';

/** The BPE model of a tokenizer.json. */
export interface BpeModel {
  /** Text → id. */
  readonly vocab: ReadonlyMap<string, number>;
  /** Pairs, best first. */
  readonly merges: readonly (readonly [string, string])[];
  readonly byteFallback: boolean;
  /** Words that are tokens are taken whole, without merging. */
  readonly ignoreMerges: boolean;
  readonly unknown?: string;
}

/**
 * `model` of tokenizer.json. Merges are "left right" strings in older files and pairs in newer ones.
 * @throws QuantscopeError UNSUPPORTED for a model that is not BPE, MODEL_FILE for a damaged one.
 */
export function parseBpeModel(tokenizer: Record<string, unknown>, file: string): BpeModel {
  const model = tokenizer['model'];
  if (!isRecord(model)) throw new QuantscopeError('MODEL_FILE', said`The tokenizer has no model.`, { file });
  const { vocab, merges } = model;
  const type = modelType(model);
  if (type !== 'BPE') throw otherModel(type, file);
  if (!isRecord(vocab) || !Array.isArray(merges))
    throw new QuantscopeError('MODEL_FILE', said`The BPE model lacks its "vocab" or its "merges".`, { file });
  return {
    vocab: new Map(tokenIds(vocab, file)),
    merges: merges.map((merge, index) => parseMerge(merge, index, file)),
    byteFallback: model['byte_fallback'] === true,
    ignoreMerges: model['ignore_merges'] === true,
    ...(typeof model['unk_token'] === 'string' ? { unknown: model['unk_token'] } : {}),
  };
}

function parseMerge(merge: unknown, index: number, file: string): readonly [string, string] {
  const pair: unknown = typeof merge === 'string' ? merge.split(' ') : merge;
  const [left, right, ...rest] = Array.isArray(pair) ? (pair as unknown[]) : [];
  if (typeof left === 'string' && typeof right === 'string' && rest.length === 0) return [left, right];
  const message = said`Merge ${index} is ${JSON.stringify(merge)}, not a pair of tokens.`;
  throw new QuantscopeError('MODEL_FILE', message, { file });
}

/**
 * A byte-level BPE vocabulary (GPT-2, Llama 3, Qwen 2…) from tokenizer.json.
 * @param rows rows of the embedding.
 */
export function byteLevelVocabulary(files: TokenizerFiles, rows: number): Vocabulary {
  const file = joinPlace(files.folder, files.tokenizerName);
  const tokenizer = files.tokenizer ?? {};
  checkNormalizer(tokenizer['normalizer'], file);
  const model = parseBpeModel(tokenizer, file);
  const tokens = new Map<number, Token>();
  for (const [text, id] of model.vocab) tokens.set(id, { text, type: tokenTypes.normal, score: 0 });
  const added = addedTokens(files);
  for (const { id, text, special } of added) {
    tokens.set(id, { text, type: special ? tokenTypes.control : tokenTypes.userDefined, score: 0 });
  }
  return {
    model: 'gpt2',
    pre: preTokenizerName(tokenizer['pre_tokenizer'], file, model.ignoreMerges, () =>
      unreachable(model, new Set(added.map(({ id }) => id)), file),
    ),
    tokens: fillVocabulary(tokens, rows, fileOfToken(files, added, file)),
    merges: model.merges.map((pair) => pair.join(' ')),
  };
}

/** llama.cpp does not normalize text for byte-level BPE; NFC (Qwen) leaves nearly all text unchanged. DeepSeek lists no step. */
function checkNormalizer(normalizer: unknown, file: string): void {
  const strange = stepsIn(normalizer, 'normalizers').find(({ type }) => type !== 'NFC');
  if (!strange) return;
  const { type } = strange;
  const step = typeof type === 'string' ? type : 'a step without a type';
  const message = said`The tokenizer normalizes text (${step}), which GGUF cannot express.`;
  throw new QuantscopeError('UNSUPPORTED', message, { file });
}

/**
 * A SentencePiece-style vocabulary from a tokenizer.json with byte fallback (Llama 2, Mistral), for checkpoints without
 * tokenizer.model. SentencePiece merges by score where tokenizer.json merges by rank, so a token's score is the negated rank
 * of the first merge that makes it.
 */
export function byteFallbackVocabulary(files: TokenizerFiles, rows: number): Vocabulary {
  const file = joinPlace(files.folder, files.tokenizerName);
  const tokenizer = files.tokenizer ?? {};
  const model = parseBpeModel(tokenizer, file);
  if (!model.byteFallback)
    throw new QuantscopeError(
      'UNSUPPORTED',
      said`The tokenizer is neither byte-level BPE nor BPE with byte fallback; other kinds cannot be exported.`,
      { file },
    );
  const ranks = new Map<string, number>();
  model.merges.forEach(([left, right], rank) => {
    if (!ranks.has(left + right)) ranks.set(left + right, rank);
  });
  const tokens = new Map<number, Token>();
  for (const [text, id] of model.vocab) {
    const type = pieceType(text, model.unknown);
    const score = type === tokenTypes.normal ? -(ranks.get(text) ?? model.merges.length + id) : 0;
    tokens.set(id, { text, type, score });
  }
  const addSpacePrefix = addsSpace(tokenizer, file);
  return pieceVocabulary(files, rows, { model: 'llama', tokens, file, addSpacePrefix });
}

/** Tokens of chats that are shown, so that tools see where channels and calls of tools begin (as in llama.cpp's converter). */
const shownTokens: ReadonlySet<string> = new Set([
  ...[
    '<|channel>',
    '<channel|>',
    '<|tool_call>',
    '<tool_call|>',
    '<|tool_response>',
    '<tool_response|>',
    '<|"|>',
  ],
]);

/**
 * Gemma 4's vocabulary: with byte fallback and "▁" for spaces as `byteFallbackVocabulary`, but merged by rank.
 * @throws QuantscopeError UNSUPPORTED for another kind, or a space before the text.
 */
export function gemma4Vocabulary(files: TokenizerFiles, rows: number): Vocabulary {
  const file = joinPlace(files.folder, files.tokenizerName);
  const tokenizer = files.tokenizer ?? {};
  const model = parseBpeModel(tokenizer, file);
  if (!model.byteFallback || addsSpace(tokenizer, file)) {
    const message = said`A tokenizer of Gemma 4 is BPE with byte fallback, without a space before the text; this one is not.`;
    throw new QuantscopeError('UNSUPPORTED', message, { file });
  }
  const tokens = new Map<number, Token>();
  for (const [text, id] of model.vocab)
    tokens.set(id, { text, type: pieceType(text, model.unknown), score: 0 });
  const added = addedTokens(files);
  for (const { id, text, special } of added) {
    const isControl = special && !shownTokens.has(text);
    const type = isControl ? tokenTypes.control : tokenTypes.userDefined;
    tokens.set(id, { text, type: text === model.unknown ? tokenTypes.unknown : type, score: 0 });
  }
  return {
    ...{ model: 'gemma4', pre: 'gemma4', addSpacePrefix: false, around: { addBos: true, addEos: false } },
    tokens: fillVocabulary(tokens, rows, fileOfToken(files, added, file)),
    merges: model.merges.map((pair) => pair.join(' ')),
  };
}

function pieceType(text: string, unknown: string | undefined): number {
  if (text === unknown) return tokenTypes.unknown;
  return /^<0x[0-9A-F]{2}>$/.test(text) ? tokenTypes.byte : tokenTypes.normal;
}

/**
 * Whether a space goes before the text: older files express this as a normalizer that prepends "▁", newer ones in Metaspace.
 * @throws QuantscopeError UNSUPPORTED for other kinds of normalization.
 */
function addsSpace(tokenizer: Record<string, unknown>, file: string): boolean {
  const steps = [
    ...stepsIn(tokenizer['normalizer'], 'normalizers'),
    ...stepsIn(tokenizer['pre_tokenizer'], 'pretokenizers'),
  ];
  const strange = steps.find((step) => !isExpressible(step));
  if (strange) {
    const message = said`The tokenizer's step ${String(strange['type'])} cannot be expressed in GGUF.`;
    throw new QuantscopeError('UNSUPPORTED', message, { file });
  }
  return steps.some(
    (step) =>
      step['type'] === 'Prepend' ||
      (step['type'] === 'Metaspace' &&
        (step['prepend_scheme'] ?? 'always') !== 'never' &&
        step['add_prefix_space'] !== false),
  );
}

/** Gemma's pre-tokenizer splits at spaces, of which its normalizer has left none. */
function isExpressible({ type, pattern }: Step): boolean {
  if (type === 'Split') return isRecord(pattern) && pattern['String'] === ' ';
  return type === 'Prepend' || type === 'Replace' || type === 'Metaspace';
}
