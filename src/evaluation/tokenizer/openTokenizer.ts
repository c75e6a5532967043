import { join } from 'node:path';
import { ggufView } from '../../architectures/ggufView';
import { readTokenizer } from '../../tokenizer/readTokenizer';
import { exists, readTokenizerFiles } from '../../tokenizer/tokenizerFiles';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import { checkpointTokenizerJson } from './checkpointTokenizer';
import { tokenizerJsonOf } from './ggufTokenizer';
import { fileValues, pairValues, tokenizerValues, type TokenizerValues } from './ggufValues';
import { textTokenizer, type TextTokenizer } from './textTokenizer';
import type { TokenizerJson } from './tokenizerJson';

/**
 * The tokenizer of a model: from a GGUF file's key-values, or a checkpoint's tokenizer.json, or else tokenizer.model, or
 * vocab.json with merges.txt. BOS, EOS and whether they are added are what the GGUF file has, or would have after an export.
 * @throws QuantscopeError REQUEST when there is no tokenizer, UNSUPPORTED for one that is not BPE or cuts words in an unknown
 * way, MODEL_FILE for a damaged one; all name the file, and the key where it is a GGUF file.
 */
export async function openTokenizer(model: Model, signal?: AbortSignal): Promise<TextTokenizer> {
  if (model.gguf) {
    const values = await tokenizerValues(fileValues(model, signal));
    return build(values, tokenizerJsonOf(values));
  }
  const { keyValues: pairs } = await readTokenizer(
    model.folder,
    model.config ?? {},
    await embeddingRows(model, signal),
    signal,
  );
  const file = join(model.folder, 'tokenizer.json');
  if (!(await exists(file))) {
    const values = await tokenizerValues(pairValues(pairs, model.folder));
    return build(values, tokenizerJsonOf(values));
  }
  const values = await tokenizerValues(pairValues(pairs, file));
  return build(
    values,
    checkpointTokenizerJson(await readTokenizerFiles(model.folder, signal), values.tokens.length),
  );
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
  throw new QuantscopeError('MODEL_FILE', 'The checkpoint has no token embedding.', { file: model.folder });
}
