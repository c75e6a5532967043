import { QuantscopeError } from '../model/errors';
import { isRecord } from '../model/json';
import { knownPreTokenizers } from './preTokenizerPatterns';

/**
 * How byte-level tokenizers cut text into words. llama.cpp has the patterns built in and picks one by the name in
 * `tokenizer.ggml.pre`, so the definition in tokenizer.json must be recognised; a wrong guess would change the tokens of
 * almost every text.
 */

/**
 * The name of a pre-tokenizer for `tokenizer.ggml.pre`.
 * @param definition `pre_tokenizer` of tokenizer.json.
 * @param ignoreMerges `ignore_merges` of the model: llama.cpp looks words up as a whole under "llama-bpe" and "tekken",
 * and merges them under "dbrx", which cuts as "llama-bpe" does.
 * @throws QuantscopeError UNSUPPORTED naming the definition when no llama.cpp name is known for it.
 */
export function preTokenizerName(definition: unknown, file: string, ignoreMerges = false): string {
  const steps = stepsOf(definition).join(', ');
  const name = knownPreTokenizers.get(steps);
  if (name === 'llama-bpe' && !ignoreMerges) return 'dbrx';
  if (name === 'tekken' && !ignoreMerges) {
    const message =
      'With this pre-tokenizer (tekken), llama.cpp keeps words that are tokens whole; this tokenizer does not.';
    throw new QuantscopeError('UNSUPPORTED', message, { file });
  }
  if (name !== undefined) return name;
  const names = [...new Set(knownPreTokenizers.values())].join(', ');
  const message = `The pre-tokenizer (${steps}) cannot be exported; the supported ones are those of ${names}.`;
  throw new QuantscopeError('UNSUPPORTED', message, { file });
}

/** True when text is mapped to bytes before merging, as GPT-2 does it. */
export function isByteLevel(definition: unknown): boolean {
  return stepsOf(definition).includes('bytes');
}

function stepsOf(definition: unknown): string[] {
  if (!isRecord(definition)) return [];
  const type = String(definition['type']);
  const describe = Object.hasOwn(stepDescriptions, type) ? stepDescriptions[type] : undefined;
  return describe ? describe(definition) : [`${type} ${JSON.stringify(definition)}`];
}

const stepDescriptions: Readonly<Record<string, (step: Record<string, unknown>) => string[]>> = {
  Sequence: (step) => {
    const inner: unknown = step['pretokenizers'];
    return Array.isArray(inner) ? inner.flatMap(stepsOf) : [];
  },
  ByteLevel: (step) => [
    ...(step['add_prefix_space'] === true ? ['space before the text'] : []),
    ...(step['use_regex'] === false ? [] : ['words']),
    'bytes',
  ],
  Punctuation: (step) => [
    step['behavior'] === 'Contiguous' ? 'runs of punctuation' : `Punctuation ${JSON.stringify(step)}`,
  ],
  Digits: (step) => [step['individual_digits'] === true ? 'single digits' : 'digits'],
  Split: (step) => {
    const pattern = isRecord(step['pattern']) ? step['pattern']['Regex'] : undefined;
    // Keeping the matches as pieces, expressed in one of two ways.
    const isolates =
      (step['behavior'] === 'Isolated' && step['invert'] !== true) ||
      (step['behavior'] === 'Removed' && step['invert'] === true);
    return [
      typeof pattern === 'string' && isolates
        ? `split ${escapeLineBreaks(pattern)}`
        : `Split ${JSON.stringify(step)}`,
    ];
  },
};

/** Files write line breaks as escapes of the expression or as the characters themselves (DeepSeek V3). */
const escapeLineBreaks = (pattern: string): string => pattern.replaceAll('\r', '\\r').replaceAll('\n', '\\n');
