import { describe, expect, it } from 'vitest';
import { overrideKeyValues, parseKeyValueOverride } from '../../../../src/exporter/options/keyValueOverride';
import type { KeyValue } from '../../../../src/model/keyValue';

describe('parseKeyValueOverride', () => {
  it.each<[string, KeyValue]>([
    ['a.b=int:17', { key: 'a.b', type: 'u32', value: 17 }],
    ['a=int:4294967295', { key: 'a', type: 'u32', value: 4294967295 }],
    ['a=float:-2.5e3', { key: 'a', type: 'f32', value: -2500 }],
    ['a=bool:true', { key: 'a', type: 'bool', value: true }],
    ['a=bool:false', { key: 'a', type: 'bool', value: false }],
    ['a=str:x=int:3', { key: 'a', type: 'string', value: 'x=int:3' }],
    ['a=str:', { key: 'a', type: 'string', value: '' }],
    ['a=str:two\nlines', { key: 'a', type: 'string', value: 'two\nlines' }],
    [`a=str:${'é'.repeat(63)}`, { key: 'a', type: 'string', value: 'é'.repeat(63) }],
  ])('%j', (text, expected) => expect(parseKeyValueOverride(text)).toEqual(expected));

  it.each([
    ['no value', 'a', /KEY=TYPE:VALUE/],
    ['no key', '=int:1', /KEY=TYPE:VALUE/],
    ['no type', 'a=1', /KEY=TYPE:VALUE/],
    ['an unknown type', 'a=long:1', /TYPE is/],
    ['a negative int', 'a=int:-1', /TYPE is/],
    ['an int of 33 bits', 'a=int:4294967296', /TYPE is/],
    ['a fraction as int', 'a=int:1.5', /TYPE is/],
    ['text as float', 'a=float:x', /TYPE is/],
    ['an empty float', 'a=float:', /TYPE is/],
    ['a float beyond single precision', 'a=float:1e39', /TYPE is/],
    ['another word as bool', 'a=bool:yes', /TYPE is/],
    ['a long key', `${'k'.repeat(128)}=int:1`, /127 bytes/],
    ['a long text, in bytes', `a=str:${'é'.repeat(64)}`, /127 bytes/],
    ['the alignment', 'general.alignment=int:64', /describes the file/],
    ['the number of files', 'split.count=int:3', /describes the file/],
  ])('rejects %s', (_, text, message) => expect(() => parseKeyValueOverride(text)).toThrow(message));
});

describe('overrideKeyValues', () => {
  it('puts the overrides last and takes what they replace out', () => {
    const pair = (key: string, value: number): KeyValue => ({ key, type: 'u32', value });
    const merged = overrideKeyValues(
      [pair('a', 1), pair('b', 2), pair('c', 3)],
      [pair('b', 20), pair('d', 4), pair('a', 10), pair('d', 40)],
    );
    expect(merged).toEqual([pair('c', 3), pair('b', 20), pair('a', 10), pair('d', 40)]);
  });
});
