import { preTokenizerName } from './preTokenizers';
import { knownPreTokenizers } from './preTokenizerPatterns';

/** A step of `pre_tokenizer` in tokenizer.json. */
type Step = Readonly<Record<string, unknown>>;

/** Where one step of a known sequence ends and the next begins; patterns hold commas themselves. */
const nextStep = /, (?=split |words,|bytes$|bytes,|single digits|digits|runs of punctuation)/;

const byteLevel = (useRegex: boolean): Step => ({
  ...{ type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: useRegex },
});

const steps: Readonly<Record<string, Step>> = {
  'single digits': { type: 'Digits', individual_digits: true },
  digits: { type: 'Digits', individual_digits: false },
  'runs of punctuation': { type: 'Punctuation', behavior: 'Contiguous' },
  words: byteLevel(true),
  bytes: byteLevel(false),
};

/**
 * How a tokenizer.json defines the pre-tokenizer that GGUF has a name for: the inverse of `preTokenizerName`.
 * @param name of `tokenizer.ggml.pre`.
 * @returns undefined for a name that no known definition leads to.
 */
export function preTokenizerDefinition(
  name: string,
): { readonly definition: Step; readonly ignoreMerges: boolean } | undefined {
  const ignoreMerges = name === 'llama-bpe' || name === 'tekken';
  const wanted = name === 'dbrx' ? 'llama-bpe' : name;
  for (const [sequence, known] of knownPreTokenizers) {
    if (known !== wanted) continue;
    const parts = sequence.split(nextStep).map(stepOf);
    if (!parts.every((part) => part !== undefined)) continue;
    // GPT-2's words and the mapping of bytes are one step.
    const merged = parts.filter((part, i) => !(part === steps['bytes'] && parts[i - 1] === steps['words']));
    const definition = merged.length === 1 ? merged[0]! : { type: 'Sequence', pretokenizers: merged };
    if (preTokenizerName(definition, 'tokenizer.json', ignoreMerges) === name)
      return { definition, ignoreMerges };
  }
  return undefined;
}

function stepOf(text: string): Step | undefined {
  const [, pattern] = /^split ([^]*)$/.exec(text) ?? [];
  if (pattern === undefined) return Object.hasOwn(steps, text) ? steps[text] : undefined;
  return { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false };
}
