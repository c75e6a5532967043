import type { KeyValue } from '../model/keyValue';
import { isRecord } from '../model/json';
import type { TokenizerFiles } from './tokenizerFiles';

/** Chat templates of a checkpoint. */
export interface ChatTemplates {
  /** The one that is used when none is asked for. */
  readonly standard?: string;
  /** The others, by name: for tool use, for retrieval… */
  readonly named: ReadonlyMap<string, string>;
}

/**
 * tokenizer_config.json has one template or several with names; newer checkpoints have a file of its own and a folder for the
 * others. Where none is called "default", the first is the standard one.
 */
export function chatTemplatesOf({ config, chatTemplate, moreChatTemplates }: TokenizerFiles): ChatTemplates {
  const value = config?.['chat_template'];
  const entries = Array.isArray(value) ? value.filter(isRecord) : [];
  const templates = new Map<string, string>();
  for (const { name, template } of entries) {
    if (typeof name === 'string' && typeof template === 'string') templates.set(name, template);
  }
  for (const [name, template] of moreChatTemplates ?? []) templates.set(name, template);
  const alone = typeof value === 'string' ? value : chatTemplate;
  const standard = alone ?? templates.get('default') ?? [...templates.values()][0];
  templates.delete('default');
  return { named: templates, ...(standard === undefined ? {} : { standard }) };
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
