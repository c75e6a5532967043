import type { NamePlace } from '../../../protocol/names';
import { jsonName } from './json';
import { pythonName } from './python';
import { dottedName } from './readings';
import { shellName } from './shell';
import { yamlName } from './yaml';

/** Parsers by VS Code's id of the language. */
const parsers: Readonly<
  Record<string, (text: string, offset: number, file: string) => NamePlace | undefined>
> = {
  python: pythonName,
  json: jsonName,
  jsonc: jsonName,
  yaml: yamlName,
  shellscript: shellName,
  markdown: shellName,
};

/**
 * What a place of a document names: by its language, else the dotted name around it. Pure: whether there is such a tensor is not known here.
 * @param offset in the text.
 * @param file name of the document, without its folder.
 */
export function nameAt(language: string, text: string, offset: number, file: string): NamePlace | undefined {
  const parsed = Object.hasOwn(parsers, language) ? parsers[language]!(text, offset, file) : undefined;
  if (parsed) return parsed;
  const around = dottedName(text, offset);
  return around && { ...around, query: { text: text.slice(around.start, around.end), syntax: 'name' } };
}
