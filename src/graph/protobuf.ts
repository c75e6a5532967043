/** Bytes of a message that are known in number only. */
interface Gap {
  readonly key: string;
  readonly length: number;
}

/** A message as it lies in a file, with room for what is written later. */
export interface SerializedMessage {
  readonly byteLength: number;
  /** All bytes outside the gaps, in order. */
  readonly pieces: readonly { readonly offset: number; readonly bytes: Uint8Array }[];
  /** Where the gaps are, by their keys. */
  readonly gaps: ReadonlyMap<string, number>;
}

/**
 * Builds protobuf messages: varints, 32-bit floats and length-delimited fields.
 * @see https://protobuf.dev/programming-guides/encoding/
 */
export class Message {
  private readonly parts: (Uint8Array | Gap)[] = [];
  private length = 0;

  varint(field: number, value: number): this {
    return this.add(encodeVarint(field * 8), encodeVarint(value));
  }
  float(field: number, value: number): this {
    return this.add(encodeVarint(field * 8 + 5), new Uint8Array(Float32Array.of(value).buffer));
  }
  bytes(field: number, value: Uint8Array): this {
    return this.add(encodeVarint(field * 8 + 2), encodeVarint(value.length), value);
  }
  text(field: number, value: string): this {
    return this.bytes(field, Buffer.from(value));
  }
  message(field: number, value: Message): this {
    return this.add(encodeVarint(field * 8 + 2), encodeVarint(value.length), ...value.parts);
  }
  /** A field of so many bytes, which are written later. */
  gap(field: number, key: string, length: number): this {
    return this.add(encodeVarint(field * 8 + 2), encodeVarint(length), { key, length });
  }

  /** @throws RangeError for a message with gaps. */
  finish(): Uint8Array {
    const { pieces, gaps } = this.serialize();
    if (gaps.size > 0) throw new RangeError('the message has gaps');
    return pieces[0]?.bytes ?? new Uint8Array();
  }

  serialize(): SerializedMessage {
    const pieces: { offset: number; bytes: Uint8Array }[] = [];
    const gaps = new Map<string, number>();
    let open: Uint8Array[] = [];
    let start = 0;
    let at = 0;
    const close = (): void => {
      if (open.length > 0) pieces.push({ offset: start, bytes: Buffer.concat(open) });
      open = [];
    };
    for (const part of this.parts) {
      if (part instanceof Uint8Array) open.push(part);
      else {
        close();
        gaps.set(part.key, at);
      }
      at += part.length;
      if (open.length === 0) start = at;
    }
    close();
    return { byteLength: at, pieces, gaps };
  }

  private add(...parts: readonly (Uint8Array | Gap)[]): this {
    for (const part of parts) {
      this.parts.push(part);
      this.length += part.length;
    }
    return this;
  }
}

/** Negative integers take ten bytes, as protobuf requires. */
function encodeVarint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    const more = rest > 0x7fn;
    bytes.push(Number(rest & 0x7fn) | (more ? 0x80 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Uint8Array.from(bytes);
}
