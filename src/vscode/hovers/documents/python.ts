import type { SyntaxNode } from '@lezer/common';
import { parser } from '@lezer/python';
import type { NamePlace } from '../../../protocol/names';
import { readText, splitText } from './readings';
import { argumentAt } from './shell';

/** Calls whose keywords are those of configurations: classes of transformers, PEFT, GPTQModel, llm-compressor, and functions. */
const configurations =
  /(?:Config|Modifier|Scheme|Preset)$|^(?:AutoRound|oneshot|model_free_ptq|quantize|dict)$/;

/** What the string at a place of a Python source names. */
export function pythonName(text: string, offset: number): NamePlace | undefined {
  const node = stringAt(parser.parse(text).resolveInner(offset, -1), offset);
  const content = node && contentOf(text.slice(node.from, node.to));
  if (!node || !content) return undefined;
  const start = node.from + content.start;
  const end = start + content.length;
  if (offset < start || offset > end) return undefined;
  const argument = argumentAt(before(node, text), { start, end, text: content.text }, offset);
  if (argument) return argument;
  const place = contextOf(node, text);
  const parts = splitText(content.text, place);
  const part = parts.find((item) => offset <= start + item.start + item.text.length) ?? parts.at(-1);
  const query = part && readText(part.text, place);
  if (!part || !query) return undefined;
  return parts.length === 1
    ? { start, end, query }
    : { start: start + part.start, end: start + part.start + part.text.length, query };
}

/** The string that a place is in, without expressions in it. */
function stringAt(inner: SyntaxNode, offset: number): SyntaxNode | undefined {
  for (let node: SyntaxNode | null = inner; node; node = node.parent) {
    if (node.name === 'String') return node;
    if (node.name === 'FormatString') return node.getChild('FormatReplacement') ? undefined : node;
    if (node.name === 'ContinuedString')
      return node.getChildren('String').find(({ from, to }) => from <= offset && offset <= to);
  }
  return undefined;
}

const escapes: Readonly<Record<string, string>> = {
  '\\': '\\',
  "'": "'",
  '"': '"',
  n: '\n',
  t: '\t',
  '\n': '',
};

/** The text of a string literal, with the start and length of what is between its quotes; undefined for a literal of bytes. */
function contentOf(literal: string): { start: number; length: number; text: string } | undefined {
  const match = /^([a-z]*)("""|'''|"|')(.*)\2$/is.exec(literal);
  if (!match) return undefined;
  const [, prefix, quotes, inner] = match as unknown as [string, string, string, string];
  if (/b/i.test(prefix)) return undefined;
  const text = /r/i.test(prefix)
    ? inner
    : inner.replace(/\\(.)/gs, (all, after: string) => escapes[after] ?? all);
  return { start: prefix.length + quotes.length, length: inner.length, text };
}

/** The string before a string in a list of arguments: "--tensor-type". */
function before(node: SyntaxNode, text: string): string {
  const previous = node.prevSibling?.name === ',' ? node.prevSibling.prevSibling : undefined;
  return previous?.name === 'String' ? (contentOf(text.slice(previous.from, previous.to))?.text ?? '') : '';
}

interface Context {
  readonly path: string[];
  readonly isKey: boolean;
  readonly isKnown: boolean;
}

/** The names that a string is assigned to, from outside to inside: keys of dictionaries, keywords of calls, variables. */
function contextOf(string: SyntaxNode, text: string): Context {
  const path: string[] = [];
  let isKey = false;
  let isKnown = false;
  let child = string;
  for (let node = string.parent; node; child = node, node = node.parent) {
    if (node.name === 'DictionaryExpression') {
      if (child === string && string.nextSibling?.name === ':') isKey = true;
      else path.unshift(keyOf(child, text));
    } else if (node.name === 'ArgList') {
      const name = keywordOf(child, text);
      if (name === undefined) break;
      path.unshift(name);
      isKnown = configurations.test(calleeOf(node, text));
      break;
    } else if (node.name === 'AssignStatement') {
      path.unshift(targetOf(node, text));
      break;
    } else if (!/^(?:Array|Tuple|Set|Parenthesized)Expression$|^ContinuedString$/.test(node.name)) break;
  }
  return { path, isKey, isKnown };
}

/** The key of a value in a dictionary. */
function keyOf(value: SyntaxNode, text: string): string {
  const colon = value.prevSibling;
  const key = colon?.name === ':' ? colon.prevSibling : undefined;
  return key?.name === 'String' ? (contentOf(text.slice(key.from, key.to))?.text ?? '') : '';
}

/** The keyword of an argument; undefined for one by position. */
function keywordOf(argument: SyntaxNode, text: string): string | undefined {
  const equals = argument.prevSibling;
  const name = equals?.name === 'AssignOp' ? equals.prevSibling : undefined;
  return name ? text.slice(name.from, name.to) : undefined;
}

/** The last part of the name of what is called. */
function calleeOf(list: SyntaxNode, text: string): string {
  const callee = list.prevSibling;
  return callee ? (/\w+$/.exec(text.slice(callee.from, callee.to))?.[0] ?? '') : '';
}

/** The last part of the name of what is assigned: `config.modules_to_not_convert`, `config["ignore"]`. */
function targetOf(statement: SyntaxNode, text: string): string {
  const target = statement.firstChild;
  return target ? (/(\w+)["'\]]*$/.exec(text.slice(target.from, target.to))?.[1] ?? '') : '';
}
