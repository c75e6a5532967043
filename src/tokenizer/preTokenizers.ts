import { QuantscopeError } from '../model/errors';
import { isRecord } from '../model/json';
import { gpt2Pattern, publishedPreTokenizers } from './preTokenizerPatterns';
import { regexForm } from './regexForm';
import { stepsIn, type Step } from './steps';
import { said } from '../protocol/said';

/**
 * How byte-level tokenizers cut text into words. llama.cpp has the patterns built in and picks one by the name in
 * `tokenizer.ggml.pre`, so the definition in tokenizer.json must be recognised; a wrong guess would change the tokens of
 * almost every text.
 */

/** Names under which llama.cpp takes words that are tokens whole, and the name that cuts in the same way without, if there is one. */
export const takesWordsWhole: ReadonlyMap<string, string | undefined> = new Map([
  ['llama-bpe', 'dbrx'],
  ['tekken', undefined],
  ['minicpm5', undefined],
]);

/**
 * The name of a pre-tokenizer for `tokenizer.ggml.pre`.
 * @param definition `pre_tokenizer` of tokenizer.json.
 * @param ignoreMerges `ignore_merges` of the model: words that are tokens are taken whole.
 * @param unreachable a token that merges do not lead to; undefined where taking words whole changes nothing.
 * @throws QuantscopeError UNSUPPORTED naming the definition when no llama.cpp name is known for it.
 */
export function preTokenizerName(
  definition: unknown,
  file: string,
  ignoreMerges = false,
  unreachable: () => string | undefined = () => '',
): string {
  const steps = stepsOf(definition);
  const name = namesByForm().get(formOf(steps));
  if (name === undefined) {
    const shown = steps.map(({ shown }) => shown).join(', ');
    const names = [...publishedPreTokenizers.keys()].join(', ');
    const message = said`The pre-tokenizer (${shown}) cannot be exported; the supported ones are those of ${names}.`;
    throw new QuantscopeError('UNSUPPORTED', message, { file });
  }
  if (ignoreMerges || !takesWordsWhole.has(name)) return name;
  const merging = takesWordsWhole.get(name);
  if (merging !== undefined) return merging;
  const lost = unreachable();
  if (lost === undefined) return name;
  const example = lost === '' ? '' : ` It does not make ${JSON.stringify(lost)} of its letters.`;
  const message = said`With this pre-tokenizer (${name}), llama.cpp keeps words that are tokens whole; this tokenizer does not.${example}`;
  throw new QuantscopeError('UNSUPPORTED', message, { file });
}

/** True when text is mapped to bytes before merging, as GPT-2 does it. */
export function isByteLevel(definition: unknown): boolean {
  return stepsOf(definition).some(({ form }) => form === 'bytes');
}

/** Names by the forms of their steps; made once, when the first tokenizer is read. */
const namesByForm = once(
  (): ReadonlyMap<string, string> =>
    new Map(
      [...publishedPreTokenizers].map(([name, pretokenizers]) => [
        formOf(stepsOf({ type: 'Sequence', pretokenizers })),
        name,
      ]),
    ),
);

interface CuttingStep {
  /** As errors show it. */
  readonly shown: string;
  /** The same for steps that do the same. */
  readonly form: string;
}

const formOf = (steps: readonly CuttingStep[]): string => steps.map(({ form }) => form).join(', ');

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

function stepsOf(definition: unknown): CuttingStep[] {
  return stepsIn(definition, 'pretokenizers').flatMap((step) => {
    const type = String(step['type']);
    if (Array.isArray(step['pretokenizers'])) return stepsOf(step);
    const describe = Object.hasOwn(stepDescriptions, type) ? stepDescriptions[type] : undefined;
    return describe ? describe(step) : [plain(`${type} ${JSON.stringify(step)}`)];
  });
}

const plain = (text: string): CuttingStep => ({ shown: text, form: text });
const splitAt = (shown: string, pattern: string): CuttingStep => ({
  ...{ shown, form: `split ${regexForm(pattern)}` },
});

const stepDescriptions: Readonly<Record<string, (step: Step) => CuttingStep[]>> = {
  ByteLevel: (step) => [
    ...(step['add_prefix_space'] === true ? [plain('space before the text')] : []),
    ...(step['use_regex'] === false ? [] : [splitAt('words', gpt2Pattern)]),
    plain('bytes'),
  ],
  Punctuation: (step) => [
    plain(step['behavior'] === 'Contiguous' ? 'runs of punctuation' : `Punctuation ${JSON.stringify(step)}`),
  ],
  Digits: (step) => [
    step['individual_digits'] === true ? splitAt('single digits', '\\p{N}') : splitAt('digits', '\\p{N}+'),
  ],
  Split: (step) => {
    const pattern = isRecord(step['pattern']) ? step['pattern']['Regex'] : undefined;
    // Keeping the matches as pieces, expressed in one of two ways.
    const isolates =
      (step['behavior'] === 'Isolated' && step['invert'] !== true) ||
      (step['behavior'] === 'Removed' && step['invert'] === true);
    return [
      typeof pattern === 'string' && isolates
        ? splitAt(`split ${pattern}`, pattern)
        : plain(`Split ${JSON.stringify(step)}`),
    ];
  },
};
