import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { seal, unseal } from '../../../src/model/sealedJson';

const digest = (content: string): string => createHash('sha256').update(content).digest('hex').slice(0, 16);
/** A line whose digest is right, whatever its content. */
const sealed = (content: string): string => `{"digest":"${digest(content)}","content":${content}}`;

describe('sealed JSON', () => {
  it('is one line of JSON with a digest of its content', () => {
    expect(seal({ a: [1, 'x\n'] })).toBe(sealed('{"a":[1,"x\\n"]}'));
    expect(JSON.parse(seal([7]))).toEqual({ digest: digest('[7]'), content: [7] });
  });

  it.each<[unknown]>([[{ a: [NaN, -0, Infinity, null, undefined] }], [[]], ['text'], [0], [null]])(
    'gives back %j',
    (value) => expect(unseal(seal(value))).toEqual(value),
  );

  it.each([
    ['nothing', ''],
    ['no digest', '{"content":[7]}'],
    ['what stands before it', ` ${seal([7])}`],
    ['what follows it', `${seal([7])} `],
    ['another last character', `${seal([7]).slice(0, -1)}]`],
    ['a torn line', seal([7]).slice(0, -1)],
    ['another content', seal([7]).replace('[7]', '[8]')],
    ['another digest', seal([7]).replace(/[0-9a-f]{16}/, '0123456789abcdef')],
    ['a digest in capitals', seal([7]).replace(/[0-9a-f]{16}/, (text) => text.toUpperCase())],
    ['content that is not JSON, under its digest', sealed('[7')],
  ])('gives nothing for %s', (_, line) => expect(unseal(line)).toBeUndefined());
});
