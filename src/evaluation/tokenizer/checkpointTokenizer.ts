import { join } from 'node:path';
import { isByteLevel } from '../../tokenizer/preTokenizers';
import { addedTokens, type TokenizerFiles } from '../../tokenizer/tokenizerFiles';
import { QuantscopeError } from '../../model/errors';
import { isRecord } from '../../model/json';
import type { AddedToken, BpeJson, TokenizerJson } from './tokenizerJson';

/**
 * The tokenizer.json of a checkpoint as it is run here: with the tokens that its other files add, and without the post-processor,
 * since special tokens around a text follow the flags that GGUF has.
 * @throws QuantscopeError UNSUPPORTED or MODEL_FILE when its model is no BPE.
 */
export function checkpointTokenizerJson(files: TokenizerFiles): TokenizerJson {
  const { tokenizer = {} } = files;
  const part = (key: string): object | null => {
    const value = tokenizer[key];
    return isRecord(value) ? value : null;
  };
  const byteLevel = isByteLevel(tokenizer['pre_tokenizer']) ? { type: 'ByteLevel' } : null;
  return {
    added_tokens: allAdded(files),
    normalizer: part('normalizer'),
    pre_tokenizer: part('pre_tokenizer'),
    post_processor: null,
    decoder: part('decoder') ?? byteLevel,
    model: bpeOf(tokenizer['model'], join(files.folder, 'tokenizer.json')),
  };
}

/** Older files leave the type out. */
function bpeOf(model: unknown, file: string): BpeJson & Record<string, unknown> {
  if (isRecord(model) && isRecord(model['vocab']) && Array.isArray(model['merges']))
    return { ...model, type: 'BPE', vocab: model['vocab'] as Record<string, number> };
  throw new QuantscopeError('UNSUPPORTED', 'The tokenizer is not BPE; others cannot be run.', { file });
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
