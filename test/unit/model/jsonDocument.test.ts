import { parseTree, type Node } from 'jsonc-parser';
import { describe, expect, it } from 'vitest';
import { JsonDocument } from '../../../src/model/jsonDocument';
import { reparse } from '../../../src/model/jsonReparse';
import { Random } from '../../support/random';

const list = (count: number): string => {
  const items = Array.from({ length: count }, (_, i) => `    {"name": "t${i}", "of": [${i}, {"a": null}]}`);
  return `{\n  "version": 2, // of it\n  "items": [\n${items.join(',\n')}\n  ],\n  "after": {"x": [1, 2]}\n}\n`;
};

/** A tree without the links upwards, which make a failed comparison unreadable. */
const plain = (node: Node | undefined): unknown =>
  node && {
    ...{ type: node.type, offset: node.offset, length: node.length, value: node.value as unknown },
    ...{ colon: node.colonOffset, children: node.children?.map(plain) },
  };
const whole = (text: string): Node | undefined => parseTree(text, [], { allowTrailingComma: true });

describe('a JSON text that changes', () => {
  const edits: readonly (readonly [what: string, from: string, to: string])[] = [
    ['a string of an item', '"t7"', '"longer"'],
    ['a key', '"name": "t3"', '"nam": "t3"'],
    ['a value that is missing for now', '"name": "t3"', '"name": '],
    ['an item that is taken away', '    {"name": "t4", "of": [4, {"a": null}]},\n', ''],
    ['the first item that is taken away', '    {"name": "t0", "of": [0, {"a": null}]},\n', ''],
    ['the last item that is taken away', ',\n    {"name": "t19", "of": [19, {"a": null}]}', ''],
    ['items that are put in', '    {"name": "t4"', '    1, "x", {},\n    {"name": "t4"'],
    ['a comma after the last item', '{"name": "t19", "of": [19, {"a": null}]}', '{"name": "t19"},'],
    ['a comment with brackets', '"of": [5, {', '"of": /* ]} */ [5, {'],
    ['a quote that is missing', '"name": "t5", ', '"name": "t5, '],
    ['a bracket that is missing', '"of": [5, {"a": null}]}', '"of": [5, {"a": null}]'],
    ['a number that grows', '"of": [5, {', '"of": [55, {'],
  ];

  it.each(edits)('is parsed in part: %s', (_, from, to) => {
    const before = list(20);
    const after = before.replace(from, to);
    expect(after).not.toBe(before);
    const root = whole(before)!;
    expect(reparse(root, before, after)).toBe(true);
    expect(plain(root)).toEqual(plain(whole(after)));
    expect(reparse(root, after, before)).toBe(true);
    expect(plain(root)).toEqual(plain(whole(before)));
  });

  const open: readonly (readonly [what: string, from: string, to: string])[] = [
    ['brackets are missing', '"of": [5, {"a": null}]}', '"of": [5, {"a": null'],
    ['a comment does not end', '"of": [5, {', '"of": /* [5, {'],
    ['there is a bracket too many', '"of": [5, {"a": null}]}', '"of": [5, {"a": null}]}]'],
  ];

  it.each(open)('is parsed as a whole where %s', (_, from, to) => {
    const before = list(20);
    const after = before.replace(from, to);
    const root = whole(before)!;
    expect(reparse(root, before, after)).toBe(false);
    expect(plain(root)).toEqual(plain(whole(before)));
    const json = new JsonDocument(before);
    json.update(after);
    expect(json.value).toEqual(new JsonDocument(after).value);
    json.update(before);
    expect(json.span('items', 19, 'name')).toEqual(new JsonDocument(before).span('items', 19, 'name'));
  });

  it('has the tree of its text after any changes, also while it is broken', () => {
    const random = new Random(7);
    const parts = ['"', '{', '}', '[', ']', ',', ':', '1', ' ', '\n', '/*', '*/', '//', '\\', 'null', '"a":'];
    let before = list(6);
    let root = whole(before)!;
    let inPart = 0;
    for (let i = 0; i < 1500; i++) {
      const start = Math.floor(random.next() * before.length);
      const removed = random.next() < 0.5 ? 0 : Math.floor(random.next() * 4);
      const part = random.next() < 0.3 ? '' : parts[Math.floor(random.next() * parts.length)]!;
      const after = i % 12 === 0 ? list(6) : before.slice(0, start) + part + before.slice(start + removed);
      if (reparse(root, before, after)) inPart += 1;
      else root = whole(after) ?? whole('0')!;
      if (whole(after)) expect(plain(root), JSON.stringify([before, after])).toEqual(plain(whole(after)));
      before = after;
    }
    expect(inPart).toBeGreaterThan(500);
  });

  it('has no value while it is nested too deep', () => {
    const json = new JsonDocument('{"a": {"b": []}, "c": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}');
    const deep = `{"a": {"b": ${'['.repeat(99)}${']'.repeat(99)}}, "c": "${'x'.repeat(500)}"}`;
    json.update(deep);
    expect(json.value).toBeUndefined();
    json.update(deep.replace('[[[', '[').replace(']]]', ']'));
    expect(json.valueAt('c')).toBe('x'.repeat(500));
  });
});

describe('the depth of a text', () => {
  const nested = (text: string): unknown => new JsonDocument(text).value;
  const deep = '['.repeat(101);

  it.each([`{"a": "${deep}"}`, `{"a": "\\"${deep}"}`, `{ // ${deep}\n "a": 1}`, `{ /* ${deep} */ "a": 1}`])(
    'is not that of its strings and comments',
    (text) => {
      expect(nested(text)).toBeDefined();
    },
  );

  it('is that of a broken text, too', () => {
    expect(nested(deep)).toBeUndefined();
    expect(nested(`{"a": "x\n${deep}`)).toBeUndefined();
    expect(nested(`{} / ${deep}`)).toBeUndefined();
    expect(nested('[]'.repeat(200))).toEqual([]);
  });
});
