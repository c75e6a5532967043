import { QuantscopeError } from '../model/errors';
import { stated } from '../model/statedValue';
import { said } from '../protocol/said';

/** Pre-tokenizers of the classes whose files may be vocab.json and merges.txt alone (transformers, by class name). */
const words = { type: 'ByteLevel', add_prefix_space: false, use_regex: true };
const qwen2 = {
  type: 'Sequence',
  pretokenizers: [
    {
      type: 'Split',
      pattern: {
        Regex:
          "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
      },
      behavior: 'Isolated',
      invert: false,
    },
    { type: 'ByteLevel', add_prefix_space: false, use_regex: false },
  ],
};
const byClass: ReadonlyMap<string, object> = new Map<string, object>([
  ['GPT2Tokenizer', words],
  ['CodeGenTokenizer', words],
  ['Qwen2Tokenizer', qwen2],
]);

/** The end of text of all these classes; GPT-2's vocabulary has it among its words. */
const endOfText = '<|endoftext|>';

/**
 * The tokenizer.json equivalent of a vocabulary in vocab.json and merges.txt.
 * @param vocab text → id.
 * @param merges a pair on each line, best first; a first line that begins with "#version" is skipped.
 * @param config tokenizer_config.json, which names the class; its "Fast" twin reads the same files.
 * @throws QuantscopeError UNSUPPORTED for a class whose pre-tokenizer is not known.
 */
export function tokenizerOfVocabulary(
  vocab: Record<string, unknown>,
  merges: string,
  config: Record<string, unknown>,
  file: string,
): Record<string, unknown> {
  const { tokenizer_class: className, add_prefix_space: spaceFirst } = config;
  const cutting = byClass.get(typeof className === 'string' ? className.replace(/Fast$/, '') : '');
  if (!cutting || spaceFirst === true) {
    const known = [...byClass.keys()].join(', ');
    const unknown =
      typeof className === 'string'
        ? `The pre-tokenizer of the class ${JSON.stringify(className)} of vocab.json and merges.txt is not known`
        : `"tokenizer_class" ${stated(className)}, so the pre-tokenizer of vocab.json and merges.txt is not known`;
    const message = said`${unknown}; the known ones are those of ${known}, without a space before the text.`;
    throw new QuantscopeError('UNSUPPORTED', message, { file });
  }
  const lines = merges.split(/\r?\n/);
  if (lines[0]?.startsWith('#version')) lines.shift();
  const end = vocab[endOfText];
  return {
    pre_tokenizer: cutting,
    model: { type: 'BPE', vocab, merges: lines.filter((line) => line !== '') },
    added_tokens: end === undefined ? [] : [{ id: end, content: endOfText, special: true }],
  };
}
