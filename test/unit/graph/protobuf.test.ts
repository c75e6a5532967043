import { describe, expect, it } from 'vitest';
import { Message } from '../../../src/graph/protobuf';

describe('Message', () => {
  it('leaves room for bytes that are written later, at any depth', () => {
    const inner = new Message().varint(1, 7).gap(9, 'weights', 300).text(2, 'end');
    const message = new Message().text(1, 'start').message(3, inner).gap(4, 'more', 2);
    const whole = new Message()
      .text(1, 'start')
      .message(3, new Message().varint(1, 7).bytes(9, new Uint8Array(300).fill(5)).text(2, 'end'))
      .bytes(4, Uint8Array.of(6, 6))
      .finish();
    const { byteLength, pieces, gaps } = message.serialize();
    expect(byteLength).toBe(whole.length);
    const file = Buffer.alloc(byteLength);
    for (const { offset, bytes } of pieces) file.set(bytes, offset);
    file.fill(5, gaps.get('weights'), gaps.get('weights')! + 300);
    file.fill(6, gaps.get('more'), gaps.get('more')! + 2);
    expect(file).toEqual(Buffer.from(whole));
  });

  it('is not finished while it has gaps', () => {
    expect(() => new Message().gap(1, 'x', 4).finish()).toThrow(RangeError);
    expect(new Message().finish()).toHaveLength(0);
  });

  it('writes negative integers in ten bytes', () => {
    expect([...new Message().varint(1, -1).finish()]).toEqual([8, ...Array<number>(9).fill(255), 1]);
  });
});
