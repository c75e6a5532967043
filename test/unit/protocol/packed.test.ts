import { describe, expect, it } from 'vitest';
import { pack, unpack } from '../../../src/protocol/packed';

describe('messages to a page', () => {
  it('stay unchanged while they are small', () => {
    const message = { rpc: 'event', name: 'tab', payload: 'export' };
    expect(pack(message)).toBe(message);
    expect(unpack(message)).toBe(message);
  });

  it('are bytes if they are large, and are restored', () => {
    const message = { rpc: 'result', result: Array.from({ length: 20_000 }, (_, i) => `ténsor ${i}`) };
    const packed = pack(message) as { packed: Uint8Array };
    expect(packed.packed.constructor).toBe(Uint8Array); // VS Code hands on no other kind of bytes
    expect(unpack(structuredClone(packed))).toEqual(message);
  });
});
