import { endOfString, isRecord } from '../../model/json';

/** A key of the outermost object of a JSON text, and the text of its value. */
interface Entry {
  readonly key: string;
  readonly value: string;
}

/**
 * The text of a JSON object with some keys set, or removed where the value is undefined; everything else stays as it was written, so that
 * numbers keep the form that Python gave them. New keys come at their place where keys are in order, else last.
 * @param text of an object, valid JSON.
 */
export function withKeys(text: string, changes: Readonly<Record<string, unknown>>): string {
  const kept = entriesOf(text).filter(({ key }) => !(key in changes));
  const isSorted = kept.every(({ key }, i) => i === 0 || kept[i - 1]!.key < key);
  const set = Object.entries(changes).flatMap(([key, value]) =>
    value === undefined ? [] : [{ key, value: printPython(value, '  ') }],
  );
  const all = [...kept, ...set];
  if (isSorted) all.sort((a, b) => (a.key < b.key ? -1 : 1));
  return entriesText(all, '');
}

/** The text of a JSON object with the values of its members, and of objects in it, replaced where the keys are the same, at any depth. */
export function withValues(text: string, values: Readonly<Record<string, string>>, indent = ''): string {
  const entries = entriesOf(text).map(({ key, value }) => {
    if (value.startsWith('{')) return { key, value: withValues(value, values, `${indent}  `) };
    return { key, value: Object.hasOwn(values, key) ? JSON.stringify(values[key]) : value };
  });
  return entriesText(entries, indent);
}

const entriesText = (entries: readonly Entry[], indent: string): string =>
  objectText(
    entries.map(({ key, value }) => `${JSON.stringify(key)}: ${value}`),
    indent,
    ['{', '}'],
  );

/** Changes of a config.json that remove how its weights were quantized. */
export const withoutQuantization = { quantization_config: undefined, compression_config: undefined } as const;

/** Parameters that libraries of Python require to be floats: 6 would be rejected where 6.0 is read. */
const floats = new Set([
  ...['llm_int8_threshold', 'damp_percent', 'damp_auto_increment', 'mse'],
  ...[
    'rope_theta',
    'rope_local_base_freq',
    'factor',
    'low_freq_factor',
    'high_freq_factor',
    'attention_factor',
  ],
  ...['attn_logit_softcapping', 'final_logit_softcapping', 'logit_scale', 'routed_scaling_factor'],
  ...['partial_rotary_factor', 'mscale', 'mscale_all_dim'],
]);

/** JSON as Python's json module prints it with an indent of 2: numbers of parameters that are floats have a point. */
export function printPython(value: unknown, indent = '', key = ''): string {
  if (Array.isArray(value))
    return objectText(
      value.map((item) => printPython(item, `${indent}  `)),
      indent,
      ['[', ']'],
    );
  if (isRecord(value)) {
    const fields = Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .map(([name, item]) => `${JSON.stringify(name)}: ${printPython(item, `${indent}  `, name)}`);
    return objectText(fields, indent, ['{', '}']);
  }
  const plain = JSON.stringify(value);
  return typeof value === 'number' && floats.has(key) && Number.isInteger(value) ? `${plain}.0` : plain;
}

function objectText(
  fields: readonly string[],
  indent: string,
  [open, close]: readonly [string, string],
): string {
  if (fields.length === 0) return `${open}${close}`;
  return `${open}\n${fields.map((field) => `${indent}  ${field}`).join(',\n')}\n${indent}${close}`;
}

function entriesOf(text: string): Entry[] {
  const entries: Entry[] = [];
  let depth = 0;
  let key: { text: string; valueStart?: number } | undefined;
  const close = (end: number): void => {
    if (key?.valueStart === undefined) return;
    entries.push({ key: key.text, value: text.slice(key.valueStart, end).trim() });
    key = undefined;
  };
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!;
    if (character === '"') {
      const end = endOfString(text, i);
      if (depth === 1 && !key) key = { text: JSON.parse(text.slice(i, end + 1)) as string };
      i = end;
    } else if (character === '{' || character === '[') depth += 1;
    else if (character === '}' || character === ']') {
      depth -= 1;
      if (depth === 0) close(i);
    } else if (depth === 1 && character === ':' && key && key.valueStart === undefined)
      key.valueStart = i + 1;
    else if (depth === 1 && character === ',') close(i);
  }
  return entries;
}
