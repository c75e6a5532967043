import { QuantscopeError } from '../model/errors';
import { said } from '../protocol/said';

/** What BERT calls its special tokens where tokenizer_config.json does not say. */
export const wordPieceRoles: Readonly<Record<string, string>> = {
  unk_token: '[UNK]',
  sep_token: '[SEP]',
  pad_token: '[PAD]',
  cls_token: '[CLS]',
  mask_token: '[MASK]',
};

/**
 * The tokenizer.json equivalent of BERT's vocab.txt: a token on each line.
 * @param config tokenizer_config.json.
 * @throws QuantscopeError MODEL_FILE for a token that is there twice.
 */
export function tokenizerOfWords(
  words: string,
  config: Record<string, unknown>,
  file: string,
): Record<string, unknown> {
  const lines = words.replace(/\r?\n$/, '').split(/\r?\n/);
  const ids = new Map<string, number>();
  lines.forEach((word, id) => {
    const other = ids.get(word);
    ids.set(word, id);
    if (other === undefined) return;
    const message = said`The vocabulary has ${JSON.stringify(word)} twice, as ${other} and as ${id}.`;
    throw new QuantscopeError('MODEL_FILE', message, { file });
  });
  const role = (name: string): string => {
    const stated = config[name];
    return typeof stated === 'string' ? stated : (wordPieceRoles[name] ?? '');
  };
  const added = Object.keys(wordPieceRoles).flatMap((name) => {
    const content = role(name);
    const id = ids.get(content);
    return id === undefined ? [] : [{ id, content, special: true }];
  });
  const around = [{ SpecialToken: { id: role('cls_token') } }, { Sequence: { id: 'A' } }];
  return {
    added_tokens: added,
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: config['tokenize_chinese_chars'] !== false,
      strip_accents: config['strip_accents'] ?? null,
      lowercase: config['do_lower_case'] !== false,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [...around, { SpecialToken: { id: role('sep_token') } }],
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: role('unk_token'),
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(ids),
    },
  };
}
