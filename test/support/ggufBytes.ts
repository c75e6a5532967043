/** Builds GGUF headers byte by byte, honest or lying. */
export class GgufBytes {
  private readonly parts: Buffer[] = [];

  raw(bytes: Uint8Array | string): this {
    this.parts.push(Buffer.from(bytes as string));
    return this;
  }
  u32(value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return this.raw(bytes);
  }
  u64(value: number | bigint): this {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(value));
    return this.raw(bytes);
  }
  string(text: string): this {
    return this.u64(Buffer.byteLength(text)).raw(text);
  }
  /** "GGUF", version, number of tensors, number of key-values. */
  start(version: number, tensors: number | bigint, keys: number | bigint): this {
    return this.raw('GGUF').u32(version).u64(tensors).u64(keys);
  }
  /** Dimensions innermost first, as the file stores them. */
  tensor(
    name: string,
    dimensions: readonly (number | bigint)[],
    type: number,
    offset: number | bigint,
  ): this {
    this.string(name).u32(dimensions.length);
    for (const dimension of dimensions) this.u64(dimension);
    return this.u32(type).u64(offset);
  }
  /** Zeros up to the alignment, then `dataBytes` of zeros. */
  data(dataBytes: number, alignment = 32): Buffer {
    const header = this.bytes();
    return Buffer.concat([
      header,
      Buffer.alloc((alignment - (header.length % alignment)) % alignment),
      Buffer.alloc(dataBytes),
    ]);
  }
  bytes(): Buffer {
    return Buffer.concat(this.parts);
  }
}
