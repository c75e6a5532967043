import { joinPlace } from '../model/place';
import { QuantscopeError } from '../model/errors';
import type { KeyValue } from '../model/keyValue';
import { isRecord } from '../model/json';
import type { TokenizerFiles } from './tokenizerFiles';
import { said } from '../protocol/said';

/** Chat templates of a checkpoint. */
export interface ChatTemplates {
  /** The one that is used by default. */
  readonly standard?: string;
  /** Where that one comes from. */
  readonly file?: string;
  /** The others, by name: for tool use, for retrieval… */
  readonly named: ReadonlyMap<string, string>;
}

/**
 * As transformers chooses them: separate files (chat_template.jinja, additional_chat_templates) replace those of tokenizer_config.json,
 * one template or several with names; the file of a processor counts where there is nothing else. Where none is called "default",
 * the first is the standard one.
 * @throws QuantscopeError MODEL_FILE for a `chat_template` that is neither a template nor several with names.
 */
export function chatTemplatesOf(files: TokenizerFiles): ChatTemplates {
  const { folder, chatTemplate, moreChatTemplates, processorTemplate, config } = files;
  const found: Templates = new Map();
  for (const [name, text] of moreChatTemplates ?? [])
    found.set(name, { text, file: joinPlace(folder, 'additional_chat_templates', `${name}.jinja`) });
  if (chatTemplate !== undefined)
    found.set('default', { text: chatTemplate, file: joinPlace(folder, 'chat_template.jinja') });
  const sources = {
    'tokenizer_config.json': config?.['chat_template'],
    'chat_template.json': processorTemplate,
  };
  for (const [name, stated] of Object.entries(sources))
    if (found.size === 0) addStated(found, stated ?? undefined, joinPlace(folder, name));
  return fromFound(found);
}

/** The one that is used by default of what a file states as `chat_template`. @throws QuantscopeError as `chatTemplatesOf`. */
export function standardTemplate(stated: unknown, file: string): string | undefined {
  const found: Templates = new Map();
  addStated(found, stated ?? undefined, file);
  return fromFound(found).standard;
}

/** Templates by name, each with the file that it comes from. */
type Templates = Map<string, { readonly text: string; readonly file: string }>;

/** One template, or several with names: a list of `name` and `template`, or an object. */
function addStated(found: Templates, stated: unknown, file: string): void {
  if (stated === undefined) return;
  const entries: unknown[] = Array.isArray(stated)
    ? (stated as unknown[]).map((entry) => (isRecord(entry) ? [entry['name'], entry['template']] : entry))
    : Object.entries(isRecord(stated) ? stated : { default: stated });
  for (const entry of entries) {
    const [name, template] = Array.isArray(entry) ? (entry as unknown[]) : [];
    if (typeof name !== 'string' || typeof template !== 'string') {
      const message = said`"chat_template" is neither a template nor a list of templates with names.`;
      throw new QuantscopeError('MODEL_FILE', message, { file });
    }
    found.set(name, { text: template, file });
  }
}

function fromFound(found: Templates): ChatTemplates {
  const standard = found.get('default') ?? [...found.values()][0];
  const named = new Map([...found].map(([name, { text }]) => [name, text]));
  named.delete('default');
  return { named, ...(standard ? { standard: standard.text, file: standard.file } : {}) };
}

/** Keys of GGUF: a template each, and the list of names. Names keep letters, digits and underscores only. */
export function chatTemplateKeyValues({ standard, named }: ChatTemplates): KeyValue[] {
  const key = 'tokenizer.chat_template';
  const byKey = new Map<string, string>();
  for (const [name, template] of named) {
    const plain = name.replaceAll(/[^A-Za-z0-9_]/g, '');
    if (plain !== '') byKey.set(plain, template);
  }
  const names = [...byKey.keys()];
  return [
    ...(standard === undefined ? [] : [{ key, type: 'string', value: standard } as const]),
    ...(names.length > 0
      ? [{ key: 'tokenizer.chat_templates', type: 'array', elementType: 'string', values: names } as const]
      : []),
    ...[...byKey].map(([name, value]) => ({ key: `${key}.${name}`, type: 'string', value }) as const),
  ];
}
