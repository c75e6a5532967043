import { t } from '@vscode/l10n';
import { mapFields, mapItems } from './exactJson';

/** What a sentence is made of: its pattern with `{0}`, `{1}`…, and what stands there. */
interface Sentence {
  readonly pattern: string;
  readonly values: readonly string[];
}

/** Sentences with their English texts, as they cross a boundary beside a message that contains them. */
export type Spoken = readonly (readonly [text: string, sentence: Sentence])[];

/** Sentences with values that a process remembers; an older one is shown in English. */
const most = 5_000;

/** By their English texts. Those without values are as many as the program has: tables say them once, when they are made. */
const fixed = new Map<string, Sentence>();
/** The others, the latest last. */
const recent = new Map<string, Sentence>();

const spokenAs = (text: string): Sentence | undefined => fixed.get(text) ?? recent.get(text);

function remember(text: string, sentence: Sentence): void {
  if (sentence.values.length === 0) {
    fixed.set(text, sentence);
    return;
  }
  if (sentence.values.includes(text)) return; // a value and nothing else
  recent.delete(text);
  recent.set(text, sentence);
  if (recent.size > most) recent.delete(recent.keys().next().value!);
}

/**
 * A sentence of the engine, in English: ``said`The file has ${n} bytes.` ``. It is a text like any other, in the command line, in the log and
 * in files; its pattern is remembered, so that `inLanguage` can say it in another language. Values stay as they are, except those that are
 * sentences themselves.
 */
export function said(parts: TemplateStringsArray, ...values: readonly (string | number | bigint)[]): string {
  const texts = values.map(String);
  const text = parts.reduce((line, part, i) => line + texts[i - 1]! + part);
  remember(text, { pattern: parts.reduce((line, part, i) => `${line}{${i - 1}}${part}`), values: texts });
  return text;
}

/** Several sentences, one after another. */
export const sentences = (texts: readonly string[]): string =>
  texts.reduce((all, text) => (all === '' ? text : said`${all} ${text}`), '');

/** A sentence in the display language; any other text as it is. */
export function inLanguage(text: string): string {
  const sentence = spokenAs(text);
  return sentence ? t(sentence.pattern, ...sentence.values.map(inLanguage)) : text;
}

/** A message, as plain JSON data, whose sentences are in the display language; parts without sentences are not copied. */
export function messageInLanguage(message: unknown): unknown {
  if (typeof message === 'string') return inLanguage(message);
  if (Array.isArray(message)) return mapItems(message, messageInLanguage);
  return isPlain(message) ? mapFields(message, messageInLanguage) : message;
}

/** The sentences in a message, those in their values included, for the process that it is sent to. */
export function spokenIn(message: unknown): Spoken {
  const found = new Map<string, Sentence>();
  const visit = (value: unknown): void => {
    if (typeof value === 'string') {
      const sentence = found.has(value) ? undefined : spokenAs(value);
      if (!sentence) return;
      found.set(value, sentence);
      sentence.values.forEach(visit);
    } else if (Array.isArray(value)) value.forEach(visit);
    else if (isPlain(value)) for (const name of Object.keys(value)) visit(value[name]);
  };
  visit(message);
  return [...found];
}

/** Takes over what another process has said. */
export function rememberSpoken(sentences: Spoken): void {
  for (const [text, sentence] of sentences) remember(text, sentence);
}

/** Not typed arrays and buffers, which hold numbers alone. */
const isPlain = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
