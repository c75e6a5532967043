import type { RemoteFile } from './remoteFile';

/** What is kept of files, at least (bytes): reads of headers often touch neighbouring bytes. */
export const pageBytes = 4096;
/** What is kept of all files together (bytes). */
const maxKept = 32 * 1024 * 1024;
/** Unwanted pages between wanted ones that are read along: cheaper than another request. */
const maxGap = 8;
/** Pages of one request at most. */
const maxRun = 256;
/** Pages that are read ahead at first of a file that is read in order; at most as many as one request has. */
const firstAhead = 16;

/** Pages of all files that were read last. */
const kept = new Map<string, Uint8Array>();
let keptBytes = 0;
let files = 0;

/**
 * Small reads of a remote file in pages, which are kept while there is room. Reads that are asked for together become few requests; a file
 * that is read in order is read ahead, further each time.
 */
export class Pages {
  private readonly prefix = `${(files += 1)}:`;
  private readonly count: number;
  private readonly coming = new Map<number, Promise<Uint8Array>>();
  private wanted = new Map<number, (result: Promise<Uint8Array>) => void>();
  /** The page behind the last one that was asked for. */
  private next: number;
  /** Runs that began where the one before ended. */
  private inOrder = 0;

  /** @param beginning of the file, as it was opened. */
  constructor(
    private readonly file: RemoteFile,
    beginning: Uint8Array,
  ) {
    this.count = Math.ceil(file.facts.size / pageBytes);
    this.keep(0, beginning);
    this.next = Math.ceil(beginning.length / pageBytes);
  }

  /** Fills `target` from `offset`, which lies in the file with all of the target. @throws QuantscopeError IO. */
  async readInto(target: Uint8Array, offset: number): Promise<void> {
    const first = Math.floor(offset / pageBytes);
    const end = Math.ceil((offset + target.length) / pageBytes);
    const pages = await Promise.all(Array.from({ length: end - first }, (_, i) => this.page(first + i)));
    pages.forEach((page, i) => {
      const start = (first + i) * pageBytes - offset;
      const from = Math.max(0, -start);
      target.set(page.subarray(from, target.length - start), start + from);
    });
  }

  private page(number: number): Promise<Uint8Array> {
    const key = this.prefix + number;
    const found = kept.get(key);
    if (found) {
      kept.delete(key); // the latest used stands last
      kept.set(key, found);
      return Promise.resolve(found);
    }
    const coming = this.coming.get(number) ?? this.ask(number);
    this.coming.set(number, coming);
    return coming;
  }

  private ask(number: number): Promise<Uint8Array> {
    if (this.wanted.size === 0) setImmediate(() => this.send());
    return new Promise((resolve) => this.wanted.set(number, resolve));
  }

  /** Sends requests for all pages that are wanted by now. */
  private send(): void {
    const { wanted } = this;
    this.wanted = new Map();
    const runs = runsOf([...wanted.keys()].sort((a, b) => a - b));
    for (const [i, { first, end }] of runs.entries()) {
      this.inOrder = first === this.next ? this.inOrder + 1 : 0;
      const last = i === runs.length - 1 ? Math.min(this.count, end + ahead(this.inOrder)) : end;
      this.next = last;
      const bytes = this.read(first, last);
      for (let page = first; page < last; page++) {
        const result = bytes.then((all) => pageOf(all, page - first));
        const settle = wanted.get(page);
        if (settle) settle(result);
        else if (!this.coming.has(page)) this.coming.set(page, result);
        const done = (): void => {
          if (settle || this.coming.get(page) === result) this.coming.delete(page);
        };
        result.then(done, done);
      }
    }
  }

  private async read(first: number, end: number): Promise<Uint8Array> {
    const start = first * pageBytes;
    const bytes = new Uint8Array(Math.min(end * pageBytes, this.file.facts.size) - start);
    await this.file.readInto(bytes, start);
    this.keep(first, bytes);
    return bytes;
  }

  private keep(first: number, bytes: Uint8Array): void {
    for (let i = 0; i * pageBytes < bytes.length; i++) {
      const page = pageOf(bytes, i);
      const key = this.prefix + (first + i);
      if (kept.has(key)) continue;
      kept.set(key, page);
      keptBytes += page.length;
    }
    for (const [key, page] of kept) {
      if (keptBytes <= maxKept) break;
      kept.delete(key);
      keptBytes -= page.length;
    }
  }
}

/** Pages that are read ahead; two neighbouring reads may be chance. */
const ahead = (inOrder: number): number =>
  inOrder < 2 ? 0 : Math.min(maxRun, firstAhead * 2 ** (inOrder - 2));

/** A copy: a page must not keep the bytes of a whole request in memory. */
const pageOf = (bytes: Uint8Array, i: number): Uint8Array => bytes.slice(i * pageBytes, (i + 1) * pageBytes);

/** Runs of pages with the gaps between them that are worth reading. @param pages ascending. */
function runsOf(pages: readonly number[]): { first: number; end: number }[] {
  const runs: { first: number; end: number }[] = [];
  for (const page of pages) {
    const last = runs.at(-1);
    if (last && page - last.end <= maxGap && page - last.first < maxRun) last.end = page + 1;
    else runs.push({ first: page, end: page + 1 });
  }
  return runs;
}
