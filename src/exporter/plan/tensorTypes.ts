import { reason } from '../../model/byteSource';
import { suggestion } from '../../model/closest';
import { QuantscopeError } from '../../model/errors';
import type { TensorTypeRule } from '../../protocol/export';
import { spellOutPosixClasses } from '../options/posixClasses';
import { encodableTypes } from './fileTypes';

/** A rule whose pattern was checked. */
export interface CompiledRule extends TensorTypeRule {
  readonly regex: RegExp;
}

/**
 * Checks tensor-type rules. Patterns are regular expressions, searched anywhere in a name; as in llama.cpp they are lower-cased
 * first and have POSIX classes, and types may be written in any case.
 * @throws QuantscopeError REQUEST naming the rule that is not a regular expression, is empty, or asks for an unknown type.
 */
export function compileRules(rules: readonly TensorTypeRule[]): CompiledRule[] {
  return rules.map(({ pattern, type }) => ({
    pattern,
    type: tensorTypeNamed(type),
    regex: compilePattern(pattern),
  }));
}

/** @throws QuantscopeError REQUEST listing the valid types. */
export function tensorTypeNamed(type: string): string {
  const upper = type.toUpperCase();
  if (encodableTypes.has(upper)) return upper;
  const message = `"${type}" is not a valid tensor type.${suggestion(type, encodableTypes)}`;
  throw new QuantscopeError('REQUEST', `${message} The types are: ${[...encodableTypes].join(', ')}.`);
}

function compilePattern(pattern: string): RegExp {
  if (pattern === '') throw new QuantscopeError('REQUEST', 'A tensor-type rule has an empty pattern.');
  try {
    return new RegExp(spellOutPosixClasses(pattern.toLowerCase()));
  } catch (cause) {
    const message = `The pattern "${pattern}" of a tensor-type rule is not a regular expression (${reason(cause)}).`;
    throw new QuantscopeError('REQUEST', message, {}, cause);
  }
}

/**
 * Reads llama.cpp's tensor-type file: `PATTERN=TYPE`, separated by white space.
 * @throws QuantscopeError REQUEST naming the entry.
 */
export function parseTensorTypes(text: string, file?: string): TensorTypeRule[] {
  const entries = text.split(/\s+/).filter((entry) => entry !== '');
  return entries.map((entry) => {
    const at = entry.indexOf('=');
    if (at < 1 || at === entry.length - 1) {
      const message = `"${entry}" is not PATTERN=TYPE.`;
      throw new QuantscopeError('REQUEST', message, file === undefined ? {} : { file });
    }
    const rule = { pattern: entry.slice(0, at), type: entry.slice(at + 1).toUpperCase() };
    compileRules([rule]);
    return rule;
  });
}

/** The same rules as text, one per line. */
export function printTensorTypes(rules: readonly TensorTypeRule[]): string {
  return rules.map(({ pattern, type }) => `${pattern}=${type}\n`).join('');
}
