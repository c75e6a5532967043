import type { TokenizerValues } from '../../../evaluation/tokenizer/ggufValues';
import { readArrayElements } from '../../../model/ggufValue';
import { HeaderReader } from '../../../model/headerReader';
import type { Model } from '../../../model/model';
import {
  idKeys,
  specialRoles,
  tokenTypes,
  unusedScore,
  type SpecialRole,
  type VocabularyModel,
} from '../../../tokenizer/vocabulary';
import { addedToken, entriesOf } from './entries';

/** What is particular to a kind of tokenizer. */
interface Kind {
  readonly className: string;
  /** Names of roles in tokenizer_config.json that are not those of GGUF. */
  readonly roles?: Partial<Record<SpecialRole, string>>;
  readonly more?: (values: TokenizerValues) => Record<string, unknown>;
}

const kinds: Readonly<Record<VocabularyModel, Kind>> = {
  gpt2: { className: 'PreTrainedTokenizerFast', more: () => ({ add_prefix_space: false }) },
  gemma4: { className: 'PreTrainedTokenizerFast' },
  t5: { className: 'PreTrainedTokenizerFast' },
  bert: {
    className: 'BertTokenizer',
    roles: { bos: 'cls' },
    more: ({ normalization: { lowercase, stripAccents } }) => ({
      ...{ do_lower_case: lowercase, strip_accents: stripAccents, tokenize_chinese_chars: true },
    }),
  },
  llama: { className: 'LlamaTokenizer', more: ofPieces },
};

/**
 * Tokens that tokenizer.model has, and that are found in texts as a whole, or that programs look for. llama.cpp puts a space behind special
 * tokens, as the "legacy" form of the class does.
 */
function ofPieces(values: TokenizerValues): Record<string, unknown> {
  const added = entriesOf(values).filter(
    ({ type, score }) =>
      type === tokenTypes.control ||
      type === tokenTypes.unknown ||
      (type === tokenTypes.userDefined && score === unusedScore),
  );
  return {
    added_tokens_decoder: Object.fromEntries(added.map((entry) => [String(entry.id), addedToken(entry)])),
    legacy: true,
    add_prefix_space: values.addSpacePrefix,
  };
}

/** tokenizer_config.json: what special tokens are for, what goes around a text, and chat templates. */
export async function tokenizerConfig(
  model: Model,
  values: TokenizerValues,
  signal: AbortSignal | undefined,
): Promise<Record<string, unknown>> {
  const { addsBos, addsEos } = values;
  const { className, roles = {}, more } = kinds[values.model];
  const { metadata } = model.gguf!;
  const named = specialRoles.flatMap((role) => {
    const id = metadata.get(`tokenizer.ggml.${idKeys[role]}`)?.scalar;
    const token = typeof id === 'number' ? values.tokens[id] : undefined;
    return token === undefined ? [] : [[`${roles[role] ?? role}_token`, token] as const];
  });
  return {
    ...(values.model === 'bert' ? {} : { add_bos_token: addsBos, add_eos_token: addsEos }),
    ...more?.(values),
    ...Object.fromEntries(named),
    ...(await chatTemplates(model, signal)),
    clean_up_tokenization_spaces: false,
    tokenizer_class: className,
  };
}

/** One template, or several with names. */
async function chatTemplates(
  model: Model,
  signal: AbortSignal | undefined,
): Promise<{ chat_template?: unknown }> {
  const text = (name: string): string | undefined => {
    const value = model.gguf!.metadata.get(name)?.scalar;
    return typeof value === 'string' ? value : undefined;
  };
  const template = text('tokenizer.chat_template');
  const others = (await namesOfTemplates(model, signal)).flatMap((name) => {
    const other = text(`tokenizer.chat_template.${name}`);
    return other === undefined ? [] : [{ name, template: other }];
  });
  if (others.length === 0) return template === undefined ? {} : { chat_template: template };
  return { chat_template: [...(template === undefined ? [] : [{ name: 'default', template }]), ...others] };
}

async function namesOfTemplates(model: Model, signal: AbortSignal | undefined): Promise<string[]> {
  const value = model.gguf!.metadata.get('tokenizer.chat_templates');
  if (value?.array?.elementType !== 'string') return [];
  const reader = new HeaderReader(model.source(model.description.files[0]!.path), signal);
  const names = await readArrayElements(reader, value);
  return names.filter((name) => typeof name === 'string');
}
