import type { TokenizerValues } from '../../../evaluation/tokenizer/ggufValues';
import { tokenTypes } from '../../../tokenizer/vocabulary';

export interface Entry {
  readonly id: number;
  readonly content: string;
  readonly type: number;
  readonly score: number;
}

/** The tokens of a vocabulary without the unused ones at its end, which fill it up to the rows of the embedding. */
export function entriesOf({ tokens, types, scores }: TokenizerValues): Entry[] {
  const last = types.findLastIndex((type) => type !== tokenTypes.unused);
  return tokens
    .slice(0, last + 1)
    .map((content, id) => ({ id, content, type: types[id]!, score: scores[id] ?? 0 }));
}

const added: ReadonlySet<number> = new Set([tokenTypes.control, tokenTypes.userDefined, tokenTypes.unknown]);

/** Whether a token is found in texts as a whole, or only made by programs. */
export const isAdded = ({ type }: Entry): boolean => added.has(type);

/** Properties of an added token in tokenizer.json and tokenizer_config.json. */
export const addedToken = ({ content, type }: Entry) => ({
  ...{ content, single_word: false, lstrip: false, rstrip: false, normalized: false },
  special: type !== tokenTypes.userDefined,
});
