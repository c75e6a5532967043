import type { NameQuery, NameSyntax } from '../../../protocol/names';

/** What a text names; undefined where it names nothing. */
type Reading = (text: string) => NameQuery | undefined;

interface KeyReading {
  /** Of the texts under a key, in lists too. */
  readonly values?: Reading;
  /** Of the keys of the object under it. */
  readonly keys?: Reading;
  /** Other documents use the key for other things: it counts only where something else says what the document is. */
  readonly isCommon?: true;
}

const as =
  (syntax: NameSyntax): Reading =>
  (text) =>
    text === '' ? undefined : { text, syntax };

/** The dictionaries of GPTQModel: an expression, after "-:" for modules that are left out. */
const afterSign: Reading = (text) => as('start')(text.replace(/^[+-]:/, ''));

/** auto-round: a module, or an expression that is found anywhere. */
const moduleOrSearch: Reading = (text) => (isExpression(text) ? as('search')(text) : as('module')(text));

/** compressed-tensors and llm-compressor: a module, or an expression after "re:". */
const marked: Reading = (text) =>
  text.startsWith('re:') ? as('start')(text.slice(3)) : moduleOrSearch(text);

/** ModelOpt: modules by Python's fnmatch. */
const wildcards: Reading = (text) => (/[*?[]/.test(text) ? as('wildcard')(text) : marked(text));

/** Part of a name; mergekit has "*" for all. */
const part: Reading = (text) => (text === '*' ? undefined : as('contains')(text));

/** What the keys of configurations and recipes name. */
const keyReadings: Readonly<Record<string, KeyReading>> = {
  // Hugging Face: indexes and configurations.
  weight_map: { keys: as('name') },
  modules_to_not_convert: { values: marked },
  llm_int8_skip_modules: { values: marked },
  ignored_layers: { values: marked },
  modules_in_block_to_quantize: { values: marked },
  block_name_to_quantize: { values: marked },
  // PEFT; a text instead of a list is an expression.
  target_modules: { values: (text) => (isExpression(text) ? as('whole')(text) : as('module')(text)) },
  modules_to_save: { values: marked },
  rank_pattern: { keys: moduleOrSearch },
  alpha_pattern: { keys: moduleOrSearch },
  // GPTQ and GPTQModel.
  inside_layer_modules: { values: marked },
  dynamic: { keys: afterSign, isCommon: true },
  // ModelOpt.
  exclude_modules: { values: wildcards },
  // llm-compressor and compressed-tensors.
  ignore: { values: marked, isCommon: true },
  targets: { values: marked, isCommon: true },
  mappings: { values: marked, isCommon: true },
  smooth_layer: { values: marked },
  balance_layers: { values: marked },
  // auto-round.
  layer_config: { keys: moduleOrSearch },
  extra_config: { keys: moduleOrSearch },
  ignore_layers: { values: marked },
  fp_layers: { values: marked },
  to_quant_block_names: { values: marked },
  // mergekit.
  filter: { values: part, isCommon: true },
  // Our plans and recipes.
  tensor: { values: as('name'), isCommon: true },
  sources: { values: as('name'), isCommon: true },
  tensors: { values: as('exported'), isCommon: true },
  match: { values: as('search'), isCommon: true },
  skip: { values: marked, isCommon: true },
};

/** Keys whose texts may be lists with commas. */
const withCommas: ReadonlySet<string> = new Set(['ignore_layers', 'fp_layers', 'to_quant_block_names']);

/** Where a text stands: keys and places in lists from the root; the last key is its own where it is a key. */
export interface TextPlace {
  readonly path: readonly (string | number)[];
  readonly isKey: boolean;
  /** Whether the document is known to be one of ours or of a tool for quantization. */
  readonly isKnown: boolean;
}

/**
 * What a text means where it stands: by the nearest key above it, else by what it looks like.
 * @param path without the text itself where that is a key.
 */
export function readText(text: string, { path, isKey, isKnown }: TextPlace): NameQuery | undefined {
  const key = path.findLast((item) => typeof item === 'string');
  const reading = key === undefined || !Object.hasOwn(keyReadings, key) ? undefined : keyReadings[key];
  const read =
    reading && (isKnown || reading.isCommon !== true) ? reading[isKey ? 'keys' : 'values'] : undefined;
  return read ? read(text) : guessed(text);
}

/** Parts of a text between commas where a key has such lists; otherwise the text. */
export function splitText(
  text: string,
  { path }: Pick<TextPlace, 'path'>,
): readonly { readonly start: number; readonly text: string }[] {
  const key = path.findLast((item) => typeof item === 'string');
  if (key === undefined || !withCommas.has(key)) return [{ start: 0, text }];
  return [...text.matchAll(/[^,\s]+/g)].map((match) => ({ start: match.index, text: match[0] }));
}

/** A dotted name, or an expression over such names. */
export function guessed(text: string): NameQuery | undefined {
  if (/^[\w-]+(?:\.[\w-]+)+$/.test(text)) return { text, syntax: 'name' };
  if (text.startsWith('re:')) return { text: text.slice(3), syntax: 'start' };
  return isExpression(text) ? { text, syntax: 'search' } : undefined;
}

/** Whether a text looks like an expression over names, rather than a path, a sentence or a pattern of files. */
const isExpression = (text: string): boolean =>
  /\\\.|\.[*+]|\\d|\[0-9|\([\w.?:\\]+\|/.test(text) && /[a-z_]{3}/i.test(text) && !/[\s/]/.test(text);

/** The longest dotted name around a place of a text. */
export function dottedName(text: string, offset: number): { start: number; end: number } | undefined {
  const isPart = (at: number): boolean => /[\w.-]/.test(text[at] ?? '');
  let [start, end] = [offset, offset];
  while (start > 0 && isPart(start - 1)) start -= 1;
  while (isPart(end)) end += 1;
  while (start < end && /[.-]/.test(text[start]!)) start += 1;
  while (end > start && /[.-]/.test(text[end - 1]!)) end -= 1;
  if (offset < start || offset > end) return undefined;
  return guessed(text.slice(start, end))?.syntax === 'name' ? { start, end } : undefined;
}
