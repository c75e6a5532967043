import { reason } from '../../model/byteSource';
import { suggestion } from '../../model/closest';
import { QuantscopeError } from '../../model/errors';
import { literalPattern } from '../../model/literalPattern';
import { PatternTrials } from '../../model/patternTrials';
import type { TensorTypeRule } from '../../protocol/export';
import { said } from '../../protocol/said';
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

/** Which of the rules applies to each tensor of a file: the first that matches its name. */
export class TensorTypeRules {
  private readonly byName = new Map<string, CompiledRule>();
  /** Rules that match no name. */
  readonly idle: readonly CompiledRule[];

  /**
   * @param limit milliseconds.
   * @throws QuantscopeError as `compileRules`; REQUEST naming the pattern that takes longer.
   */
  constructor(rules: readonly TensorTypeRule[], names: readonly string[], limit?: number) {
    const compiled = compileRules(rules);
    const idle = new Set(compiled);
    const trials = new PatternTrials(said`The patterns of the tensor-type rules`);
    trials.run(() => {
      for (const name of names)
        for (const rule of compiled) {
          if (!trials.test(rule.regex, name)) continue;
          idle.delete(rule);
          if (!this.byName.has(name)) this.byName.set(name, rule);
        }
    }, limit);
    this.idle = [...idle];
  }

  of(name: string): CompiledRule | undefined {
    return this.byName.get(name);
  }
}

/** @throws QuantscopeError REQUEST listing the valid types. */
export function tensorTypeNamed(type: string): string {
  const upper = type.toUpperCase();
  if (encodableTypes.has(upper)) return upper;
  const message = said`"${type}" is not a valid tensor type.${suggestion(type, encodableTypes)}`;
  throw new QuantscopeError('REQUEST', said`${message} The types are: ${[...encodableTypes].join(', ')}.`);
}

function compilePattern(pattern: string): RegExp {
  if (pattern === '') throw new QuantscopeError('REQUEST', said`A tensor-type rule has an empty pattern.`);
  try {
    return new RegExp(spellOutPosixClasses(pattern.toLowerCase()));
  } catch (cause) {
    const message = said`The pattern "${pattern}" of a tensor-type rule is not a regular expression (${reason(cause)}).`;
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
      const message = said`"${entry}" is not PATTERN=TYPE.`;
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

/** A pattern of names that differ in their first number at most. */
export function namesPattern(names: readonly string[]): string {
  const [first = ''] = names;
  if (names.length === 1) return `^${literalPattern(first)}$`;
  const [before, after] = [first.replace(/\d.*$/s, ''), first.replace(/^\D*\d+/, '')];
  const numbers = names.map((name) => /\d+/.exec(name)![0]);
  return `^${literalPattern(before)}(${numbers.join('|')})${literalPattern(after)}$`;
}
