import { joinPlace } from '../../model/place';
import { modelType } from '../../tokenizer/otherModels';
import { isByteLevel } from '../../tokenizer/preTokenizers';
import { addedTokens, type TokenizerFiles } from '../../tokenizer/tokenizerFiles';
import { QuantscopeError } from '../../model/errors';
import { isRecord } from '../../model/json';
import type { AddedToken, ModelJson, TokenizerJson } from './tokenizerJson';
import { said } from '../../protocol/said';

/**
 * The tokenizer.json of a checkpoint as it is run here: with the tokens that its other files add, and without the post-processor,
 * since special tokens around a text follow the flags that GGUF has.
 * @param size rows of the embedding: tokens beyond them are left out.
 * @throws QuantscopeError UNSUPPORTED or MODEL_FILE when its model is neither BPE nor WordPiece.
 */
export function checkpointTokenizerJson(files: TokenizerFiles, size: number): TokenizerJson {
  const { tokenizer = {} } = files;
  const part = (key: string): object | null => {
    const value = tokenizer[key];
    return isRecord(value) ? value : null;
  };
  const byteLevel = isByteLevel(tokenizer['pre_tokenizer']) ? { type: 'ByteLevel' } : null;
  return {
    added_tokens: allAdded(files).filter(({ id }) => id < size),
    normalizer: part('normalizer'),
    pre_tokenizer: part('pre_tokenizer'),
    post_processor: null,
    decoder: part('decoder') ?? byteLevel,
    model: within(runnable(tokenizer['model'], joinPlace(files.folder, 'tokenizer.json')), size),
  };
}

/** What a model of each type must have besides its vocabulary. */
const lists: Readonly<Record<string, string | undefined>> = { BPE: 'merges', WordPiece: undefined };

function runnable(model: unknown, file: string): ModelJson & Record<string, unknown> {
  const type = modelType(model);
  const list = lists[type];
  const isComplete = isRecord(model) && (list === undefined || Array.isArray(model[list]));
  if (Object.hasOwn(lists, type) && isComplete && isRecord(model['vocab']))
    return { ...model, type, vocab: model['vocab'] as Record<string, number> };
  const message = said`The tokenizer's model (${type}) cannot be run.`;
  throw new QuantscopeError('UNSUPPORTED', message, { file });
}

/** The model without tokens beyond the embedding, and without merges that make them. */
function within(
  model: ModelJson & Record<string, unknown>,
  size: number,
): ModelJson & Record<string, unknown> {
  const entries = Object.entries(model.vocab);
  if (entries.every(([, id]) => id < size)) return model;
  const vocab = Object.fromEntries(entries.filter(([, id]) => id < size));
  if (model.type !== 'BPE') return { ...model, vocab };
  const pairs = (model['merges'] as readonly (string | readonly string[])[]).filter((merge) =>
    Object.hasOwn(vocab, typeof merge === 'string' ? merge.replace(' ', '') : merge.join('')),
  );
  return { ...model, vocab, merges: pairs };
}

/** Those of tokenizer.json with all that it says about them, and those that only other files have. */
function allAdded(files: TokenizerFiles): AddedToken[] {
  const listed = files.tokenizer?.['added_tokens'];
  const details = new Map(
    (Array.isArray(listed) ? (listed as unknown[]) : [])
      .filter(isRecord)
      .map((entry) => [Number(entry['id']), entry]),
  );
  return addedTokens(files).map(({ id, text, special }) => ({
    ...details.get(id),
    ...{ id, content: text, special },
  }));
}
