import { exists, joinPlace } from '../../model/place';
import { ggufView } from '../../architectures/ggufView';
import { readTokenizer } from '../../tokenizer/readTokenizer';
import { readTokenizerFiles } from '../../tokenizer/tokenizerFiles';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import { checkpointTokenizerJson } from './checkpointTokenizer';
import { tokenizerJsonOf } from './ggufTokenizer';
import {
  fileValues,
  pairValues,
  tokenizerValues,
  type TokenizerValues,
  type ValueSource,
} from './ggufValues';
import { textTokenizer, type TextTokenizer } from './textTokenizer';
import type { TokenizerJson } from './tokenizerJson';
import type { VocabularyModel } from '../../tokenizer/vocabulary';
import { unigramTokenizer } from './unigramTokenizer';
import { wordPieceTokenizer } from './wordPieceTokenizer';
import { said } from '../../protocol/said';

/**
 * The tokenizer of a model: from a GGUF file's key-values, or a checkpoint's tokenizer.json, or else tokenizer.model, or
 * vocab.json with merges.txt. BOS, EOS and whether they are added are what the GGUF file has, or would have after an export.
 * @throws QuantscopeError REQUEST when there is no tokenizer, UNSUPPORTED for one of another kind than BPE, Unigram and
 * WordPiece or that cuts words in an unknown way, MODEL_FILE for a damaged one; all name the file, and the key where it is a GGUF file.
 */
export async function openTokenizer(model: Model, signal?: AbortSignal): Promise<TextTokenizer> {
  const values = await tokenizerValues(await tokenizerSource(model, signal));
  if (model.gguf || values.model === 't5' || !(await exists(jsonOf(model)))) return ofValues(values);
  const files = await readTokenizerFiles(model.folder, signal);
  return build(values, checkpointTokenizerJson(files, values.tokens.length));
}

/** The key-values of a model's tokenizer: those of a GGUF file, or those that an export would write. @throws QuantscopeError as `openTokenizer`. */
export async function tokenizerSource(model: Model, signal?: AbortSignal): Promise<ValueSource> {
  if (model.gguf) return fileValues(model, signal);
  const rows = await embeddingRows(model, signal);
  const { keyValues } = await readTokenizer(model.folder, model.config ?? {}, rows, signal);
  return pairValues(keyValues, (await exists(jsonOf(model))) ? jsonOf(model) : model.folder);
}

const jsonOf = ({ folder }: Model): string => joinPlace(folder, 'tokenizer.json');

/** Kinds that are run as llama.cpp does, by `tokenizer.ggml.model`; the others by the library. */
const own: Partial<Record<VocabularyModel, (values: TokenizerValues) => TextTokenizer>> = {
  t5: unigramTokenizer,
  bert: wordPieceTokenizer,
};

function ofValues(values: TokenizerValues): TextTokenizer {
  return own[values.model]?.(values) ?? build(values, tokenizerJsonOf(values));
}

function build({ file, tokens, bos, eos, addsBos, addsEos }: TokenizerValues, json: TokenizerJson) {
  const ids = { ...(bos === undefined ? {} : { bos }), ...(eos === undefined ? {} : { eos }) };
  return textTokenizer({ file, json, size: tokens.length, ...ids, addsBos, addsEos });
}

/** The vocabulary has as many ids as the model has embeddings. */
async function embeddingRows(model: Model, signal: AbortSignal | undefined): Promise<number> {
  const embedding = (await ggufView(model, signal)).tensors.find(({ name }) => name === 'token_embd.weight');
  const rows = embedding?.shape[0];
  if (rows !== undefined) return rows;
  throw new QuantscopeError('MODEL_FILE', said`The checkpoint has no token embedding.`, {
    file: model.folder,
  });
}
