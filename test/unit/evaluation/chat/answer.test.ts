import { describe, expect, it } from 'vitest';
import { Answer, type Endings } from '../../../../src/evaluation/chat/answer';
import { compareLogits } from '../../../../src/evaluation/chat/compareLogits';
import { TextPieces } from '../../../../src/evaluation/chat/textPieces';

const bytes = new TextDecoder();
/** Each token is a byte. */
const tokenizer = { decode: (ids: ArrayLike<number>) => bytes.decode(Uint8Array.from(Array.from(ids))) };

const usual: Endings = { tokens: new Set([99]), texts: [], most: 20, isContext: false };

function answerOf(texts: readonly (string | number)[], endings: Partial<Endings>) {
  const answer = new Answer({ ...usual, ...endings });
  for (const text of texts) {
    if (answer.end) break;
    const id = typeof text === 'number' ? text : 1;
    const probability = { original: 1, variant: 1 };
    answer.add({ id, text: String(text), divergence: 0.5, probability, candidates: [] });
  }
  return { ...answer.finish(), count: answer.line.length };
}

describe('an answer', () => {
  it('ends with a token that ends a turn, which is no part of its text', () => {
    expect(answerOf(['a', 'b', 99, 'c'], {})).toMatchObject({ text: 'ab', end: 'token', count: 3 });
  });

  it('ends before a stop text, also one of several tokens', () => {
    const found = answerOf(['on', 'e\n', '\nUs', 'er:', 'x'], { texts: ['\n\nUser', 'zzz'] });
    expect(found).toMatchObject({ text: 'one', end: 'stop', count: 4 });
  });

  it('ends before the first of several stop texts', () => {
    expect(answerOf(['abc'], { texts: ['c', 'b'] })).toMatchObject({ text: 'a', end: 'stop' });
  });

  it.each([
    [false, 'length'],
    [true, 'context'],
  ] as const)('ends at its most tokens, which may be the end of the context: %s', (isContext, end) => {
    expect(answerOf(['a', 'b', 'c'], { most: 2, isContext })).toMatchObject({ text: 'ab', end });
  });
});

describe('texts of tokens', () => {
  it('give a character of several tokens to its last one', () => {
    const pieces = new TextPieces(tokenizer, Buffer.from('before'));
    const euro = [...Buffer.from('€')];
    expect(euro.map((byte) => pieces.add(byte))).toEqual(['', '', '€']);
    expect(pieces.peek(65)).toBe('A');
    expect(pieces.add(66)).toBe('B');
  });

  it('keep bytes that are no character once another follows', () => {
    const pieces = new TextPieces(tokenizer, []);
    expect([0xe2, 65].map((byte) => pieces.add(byte))).toEqual(['', '\uFFFDA']);
  });
});

describe('the comparison of logits', () => {
  it('has divergence and probabilities, whatever is added to all logits', () => {
    const original = Float32Array.of(Math.log(0.5) + 7, Math.log(0.25) + 7, Math.log(0.25) + 7);
    const variant = Float32Array.of(Math.log(0.25) - 3, Math.log(0.5) - 3, Math.log(0.25) - 3);
    const found = compareLogits({ original, variant });
    expect(found.divergence).toBeCloseTo(0.5 * Math.log(2) - 0.25 * Math.log(2), 6);
    expect(found.probability(1).original).toBeCloseTo(0.25, 6);
    expect(found.probability(1).variant).toBeCloseTo(0.5, 6);
    expect(found.candidates[0]).toBe(0);
  });

  it('names the most probable tokens of both', () => {
    const original = Float32Array.from({ length: 50 }, (_, i) => -i);
    const variant = Float32Array.from({ length: 50 }, (_, i) => i);
    expect(compareLogits({ original, variant }).candidates).toEqual([0, 1, 2, 3, 46, 47, 48, 49]);
  });

  it.each([NaN, Infinity, -Infinity])('refuses logits that are not finite: %s', (value) => {
    const logits = Float32Array.of(1, 2, value);
    expect(() => compareLogits({ original: Float32Array.of(1, 2, 3), variant: logits })).toThrow(
      'The variant gives logits that are not finite',
    );
  });
});
