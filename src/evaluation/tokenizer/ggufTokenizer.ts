import { tokenTypes } from '../../tokenizer/vocabulary';
import { ggmlPreTokenizers } from './ggmlPreTokenizers';
import type { TokenizerValues } from './ggufValues';
import { mergesOfScores } from './mergesOfScores';
import type { AddedToken, TokenizerJson } from './tokenizerJson';

/** The tokenizer.json equivalent of a BPE tokenizer of GGUF, so one library runs both. */
export function tokenizerJsonOf(values: TokenizerValues): TokenizerJson {
  const parts = values.model === 'gpt2' ? byteLevelParts(values) : sentencePieceParts(values);
  return { ...parts, added_tokens: addedTokens(values), post_processor: null };
}

type Parts = Omit<TokenizerJson, 'added_tokens' | 'post_processor'>;

function byteLevelParts({ pre, tokens, merges }: TokenizerValues): Parts {
  const { patterns = [], ignoreMerges = false } = ggmlPreTokenizers.get(pre) ?? {};
  const splits = patterns.map((Regex) => ({
    type: 'Split',
    pattern: { Regex },
    behavior: 'Isolated',
    invert: false,
  }));
  const bytes = { type: 'ByteLevel', add_prefix_space: false, use_regex: false };
  return {
    normalizer: null,
    pre_tokenizer: { type: 'Sequence', pretokenizers: [...splits, bytes] },
    decoder: { type: 'ByteLevel' },
    model: { ...bpe(tokens), ignore_merges: ignoreMerges, merges: merges.map(pairOf) },
  };
}

/** Divided at the first space that is not the first character, as llama.cpp does it. */
function pairOf(merge: string): [string, string] {
  const space = merge.indexOf(' ', 1);
  return space < 0 ? [merge, ''] : [merge.slice(0, space), merge.slice(space + 1)];
}

/** Pieces that merge by their scores, or by rank: then runs of line breaks are apart from the rest of a text. */
function sentencePieceParts(values: TokenizerValues): Parts {
  const { model, tokens, types, scores, merges, addSpacePrefix } = values;
  const byRank = model === 'gemma4';
  const lines = { type: 'Split', pattern: { Regex: '\\n+' }, behavior: 'Isolated', invert: false };
  const prefix = { type: 'Prepend', prepend: '▁' };
  const replace = { type: 'Replace', pattern: { String: ' ' }, content: '▁' };
  const restore = { type: 'Replace', pattern: { String: '▁' }, content: ' ' };
  const strip = { type: 'Strip', content: ' ', start: 1, stop: 0 };
  const unknown = tokens[types.indexOf(tokenTypes.unknown)];
  return {
    normalizer: { type: 'Sequence', normalizers: [...(addSpacePrefix ? [prefix] : []), replace] },
    pre_tokenizer: byRank ? lines : null,
    decoder: {
      type: 'Sequence',
      decoders: [restore, { type: 'ByteFallback' }, { type: 'Fuse' }, ...(addSpacePrefix ? [strip] : [])],
    },
    model: {
      ...bpe(tokens),
      byte_fallback: true,
      unk_token: unknown ?? null,
      merges: byRank ? merges.map(pairOf) : mergesOfScores(tokens, scores),
    },
  };
}

const bpe = (tokens: readonly string[]) => ({
  type: 'BPE',
  vocab: Object.fromEntries(tokens.map((text, id) => [text, id])),
});

/**
 * Tokens that llama.cpp takes to end a text, by what they are called, and treats as control tokens whatever the file says.
 */
export const endings: ReadonlySet<string> = new Set([
  ...['<|eot_id|>', '<|im_end|>', '<|end|>', '<|return|>', '<|call|>', '<|flush|>', '<|calls|>'],
  ...['<end_of_turn>', '<|endoftext|>', '</s>', '<|eom_id|>', '<EOT>', '_<EOT>', '[EOT]', '[EOS]'],
  ...['<|end_of_text|>', '<end_of_utterance>', '<eos>', '<turn|>', '<|tool_response>', '[e~['],
  '<｜end▁of▁sentence｜>',
]);

/** Phi-3's special tokens swallow white space after them, except these; llama.cpp recognizes the model by its name. */
const phi3 = { name: /phi-?3/i, without: new Set(['<unk>', '<s>', '<|endoftext|>']) };

function addedTokens({ tokens, types, name }: TokenizerValues): AddedToken[] {
  return tokens.flatMap((content, id): AddedToken[] => {
    const type = types[id];
    const control = type === tokenTypes.control || type === tokenTypes.unknown || endings.has(content);
    if (!control && type !== tokenTypes.userDefined) return [];
    const rstrip = phi3.name.test(name) && !phi3.without.has(content);
    return [{ id, content, special: control, normalized: false, lstrip: false, rstrip }];
  });
}
