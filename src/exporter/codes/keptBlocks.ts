import { freemem } from 'node:os';

/** Blocks that are held (bytes): at least this many, and this share of the free memory. */
const leastBytes = 256e6;
const share = 0.1;

/** Encoded rows of tensors that are needed again and again; what was used least recently goes where all take too many bytes. */
export class KeptBlocks {
  private readonly found = new Map<string, Uint8Array>();
  private bytes = 0;

  constructor(private readonly limit = Math.max(leastBytes, share * freemem())) {}

  /** The blocks of a key, which says all that they depend on; `find` makes them where they are not held. */
  async of<T extends Uint8Array | undefined>(
    key: string,
    find: () => Promise<T>,
  ): Promise<Uint8Array | Extract<T, undefined>> {
    const known = this.found.get(key);
    const blocks = known ?? (await find());
    if (blocks === undefined) return blocks as Extract<T, undefined>;
    this.keep(key, blocks);
    return blocks;
  }

  private keep(key: string, blocks: Uint8Array): void {
    this.bytes += blocks.length - (this.found.get(key)?.length ?? 0);
    this.found.delete(key); // the latest used are last
    this.found.set(key, blocks);
    for (const [oldest, { length }] of this.found) {
      if (this.bytes <= this.limit) return;
      this.found.delete(oldest);
      this.bytes -= length;
    }
  }
}
