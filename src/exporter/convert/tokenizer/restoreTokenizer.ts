import {
  fileValues,
  pairValues,
  tokenizerValues,
  type TokenizerValues,
} from '../../../evaluation/tokenizer/ggufValues';
import { QuantscopeError } from '../../../model/errors';
import type { Model } from '../../../model/model';
import { tokenizerOf } from '../../../tokenizer/readTokenizer';
import type { TokenizerFiles } from '../../../tokenizer/tokenizerFiles';
import type { VocabularyModel } from '../../../tokenizer/vocabulary';
import { pieceModel } from './pieceModel';
import { differenceOf } from './sameTokenizer';
import { byteLevelJson, rankedJson, unigramJson, wordPieceJson } from './tokenizerJson';
import { tokenizerConfig } from './tokenizerConfig';
import { said } from '../../../protocol/said';

/** Files of a tokenizer. */
export interface RestoredTokenizer {
  readonly files: ReadonlyMap<string, string | Uint8Array>;
  /** What was left out, as sentences. */
  readonly notes: readonly string[];
}

const leftOut = (why: string): RestoredTokenizer => ({
  files: new Map(),
  notes: [
    said`The tokenizer is left out: ${why}. Copy its files from the checkpoint that the file was made from.`,
  ],
});

/** The vocabulary of a kind, as the file that transformers reads it from. */
const vocabularyOf: Readonly<
  Record<VocabularyModel, (values: TokenizerValues) => Pick<TokenizerFiles, 'tokenizer' | 'sentencePiece'>>
> = {
  gpt2: (values) => ({ tokenizer: byteLevelJson(values) }),
  gemma4: (values) => ({ tokenizer: rankedJson(values) }),
  t5: (values) => ({ tokenizer: unigramJson(values) }),
  bert: (values) => ({ tokenizer: wordPieceJson(values) }),
  llama: (values) => ({ sentencePiece: { name: 'tokenizer.model', bytes: pieceModel(values) } }),
};

/**
 * The files of a GGUF file's tokenizer, which an export makes the same tokenizer of: tokenizer.json, or tokenizer.model where pieces are merged
 * by score, and tokenizer_config.json. Tokens that fill the vocabulary up to the rows of the embedding are left out; they come back with an export.
 * @param config of the checkpoint.
 */
export async function restoreTokenizer(
  model: Model,
  config: Readonly<Record<string, unknown>>,
  signal?: AbortSignal,
): Promise<RestoredTokenizer> {
  const source = fileValues(model, signal);
  try {
    const values = await tokenizerValues(source);
    const vocabulary = vocabularyOf[values.model](values);
    const written = { ...vocabulary, config: await tokenizerConfig(model, values, signal) };
    const files: TokenizerFiles = { folder: model.folder, tokenizerName: 'tokenizer.json', ...written };
    const { keyValues } = tokenizerOf(files, config, values.tokens.length);
    const difference = differenceOf(values, await tokenizerValues(pairValues(keyValues, source.file)));
    if (difference !== undefined) return leftOut(said`an export of its files would have ${difference}`);
    return { files: textsOf(written), notes: [] };
  } catch (error) {
    if (!(error instanceof QuantscopeError) || error.code === 'CANCELLED') throw error;
    return leftOut(error.message.replace(/\.$/, ''));
  }
}

const print = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`;

function textsOf({
  tokenizer,
  sentencePiece,
  config,
}: Pick<TokenizerFiles, 'tokenizer' | 'sentencePiece' | 'config'>): Map<string, string | Uint8Array> {
  return new Map<string, string | Uint8Array>([
    ...(tokenizer ? [['tokenizer.json', print(tokenizer)] as const] : []),
    ...(sentencePiece ? [[sentencePiece.name, sentencePiece.bytes] as const] : []),
    ['tokenizer_config.json', print(config)],
  ]);
}
