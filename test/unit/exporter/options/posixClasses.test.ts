import { describe, expect, it } from 'vitest';
import { spellOutPosixClasses } from '../../../../src/exporter/options/posixClasses';

const ascii = Array.from({ length: 126 }, (_, i) => String.fromCharCode(i + 1)).join('');

/** The characters of ASCII in which a pattern is found. */
const found = (pattern: string): string => {
  const regex = new RegExp(spellOutPosixClasses(pattern));
  return [...ascii].filter((character) => regex.test(character)).join('');
};

const digits = '0123456789';
const upper = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';
const lower = upper.toLowerCase();
const marks = '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~';

describe('POSIX classes', () => {
  /** What std::regex of GCC 12 finds in the C locale. */
  it.each([
    ['[[:digit:]]', digits],
    ['[[:d:]]', digits],
    ['[[:alpha:]]', upper + lower],
    ['[[:alnum:]]', digits + upper + lower],
    ['[[:w:]]', `${digits}${upper}_${lower}`],
    ['[[:upper:]]', upper],
    ['[[:lower:]]', lower],
    ['[[:xdigit:]]', `${digits}ABCDEFabcdef`],
    ['[[:punct:]]', marks],
    ['[[:blank:]]', '\t '],
    ['[[:space:]]', '\t\n\v\f\r '],
    ['[^[:cntrl:][:alnum:][:punct:]]', ' '],
    ['[[:graph:]]', [...(digits + upper + lower + marks)].sort().join('')],
    ['[^[:print:]]', ascii.replace(/[ -~]/g, '')],
    ['[[:digit:]-]', `-${digits}`],
    ['[-[:digit:]_.]', `-.${digits}_`],
    ['[[=a=]]', 'Aa'],
    ['[[.a.]-c]', 'abc'],
  ])('%s means what std::regex takes it to mean', (pattern, characters) => {
    expect(found(pattern)).toBe(characters);
  });

  it.each(['[:digit:]', '\\[[:digit:]', '[\\[:digit:]]', '[[a-z]', 'a[^]]', '\\d[\\w.]{2}', '[a-z\\]:]'])(
    '%s has none and stays as it is',
    (pattern) => {
      expect(spellOutPosixClasses(pattern)).toBe(pattern);
    },
  );

  it.each([
    '[[:number:]]',
    '[[:digit]',
    '[[:]',
    '[[.hyphen.]]',
    '[[=12=]]',
    '[a-[:digit:]]',
    '[[:digit:]-z]',
    '[\\d-z]',
  ])('%s is rejected', (pattern) => {
    expect(() => spellOutPosixClasses(pattern)).toThrow(SyntaxError);
  });
});
