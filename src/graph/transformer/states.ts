import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { reason } from '../../model/byteSource';
import { QuantscopeError } from '../../model/errors';
import { gatherRows, scatterRows, type Assignment } from './routing';
import { said } from '../../protocol/said';

/** States of some tokens, `[tokens, width]`, wherever they are kept. */
export interface States {
  readonly tokens: number;
  /** Numbers of a token: of the hidden states, or more between blocks that hand on more. */
  readonly width: number;
  /** The states of `count` tokens from `first` on. They may be the kept ones themselves, and change with the next `write`. */
  read(first: number, count: number): Float32Array;
  /** Replaces the states of tokens from `first` on. */
  write(first: number, states: Float32Array): void;
  /** The states of the named tokens, in that order. */
  gather(rows: readonly number[]): Float32Array;
  /** Adds states times their shares to those of the named tokens. */
  scatter(states: Float32Array, assignment: Assignment): void;
  /** Room for states of as many tokens, kept in the same place. */
  another(width?: number): States;
  /**
   * The same memory with shorter rows, from its beginning on: rows can be written there once all up to them have been read. Closing either closes both.
   */
  narrowed(width: number): States;
  close(): void;
}

/** States in memory. */
export class MemoryStates implements States {
  readonly tokens: number;

  constructor(
    private readonly values: Float32Array,
    readonly width: number,
  ) {
    this.tokens = values.length / width;
  }

  read(first: number, count: number): Float32Array {
    return this.values.subarray(first * this.width, (first + count) * this.width);
  }

  write(first: number, states: Float32Array): void {
    this.values.set(states, first * this.width);
  }

  gather(rows: readonly number[]): Float32Array {
    return gatherRows(this.values, this.width, rows);
  }

  scatter(states: Float32Array, assignment: Assignment): void {
    scatterRows(this.values, this.width, states, assignment);
  }

  another(width = this.width): States {
    return new MemoryStates(new Float32Array(this.tokens * width), width);
  }

  narrowed(width: number): States {
    return width === this.width
      ? this
      : new MemoryStates(this.values.subarray(0, this.tokens * width), width);
  }

  close(): void {
    // the memory goes with the object
  }
}

/** States in a temporary file: what is in memory is bounded by what is read at a time. Close it. */
export class FileStates implements States {
  private readonly file: string;
  private readonly handle: number;

  /**
   * @param opened a file that is there already.
   * @throws QuantscopeError IO when the folder cannot be written.
   */
  constructor(
    private readonly folder: string,
    readonly tokens: number,
    readonly width: number,
    opened?: { readonly file: string; readonly handle: number },
  ) {
    this.file = opened?.file ?? join(folder, `.quantscope-${randomBytes(6).toString('hex')}.states`);
    if (opened) {
      this.handle = opened.handle;
      return;
    }
    this.handle = this.doing('created', () => openSync(this.file, 'wx+'));
    // Nothing is left even by a killed process; Windows cannot remove an open file.
    if (process.platform !== 'win32') rmSync(this.file, { force: true });
  }

  read(first: number, count: number): Float32Array {
    const states = new Float32Array(count * this.width);
    this.readRow(first, states);
    return states;
  }

  write(first: number, states: Float32Array): void {
    const bytes = bytesOf(states);
    const start = this.offsetOf(first);
    this.doing('written', () => {
      for (let done = 0; done < bytes.length;)
        done += writeSync(this.handle, bytes, done, bytes.length - done, start + done);
    });
  }

  gather(rows: readonly number[]): Float32Array {
    const picked = new Float32Array(rows.length * this.width);
    rows.forEach((row, i) => this.readRow(row, picked.subarray(i * this.width, (i + 1) * this.width)));
    return picked;
  }

  scatter(states: Float32Array, { rows, shares }: Assignment): void {
    const { width } = this;
    rows.forEach((row, i) => {
      const sum = this.read(row, 1);
      const added = states.subarray(i * width, (i + 1) * width);
      scatterRows(sum, width, added, { rows: [0], shares: [shares[i]!] });
      this.write(row, sum);
    });
  }

  another(width = this.width): States {
    return new FileStates(this.folder, this.tokens, width);
  }

  narrowed(width: number): States {
    const { folder, tokens, file, handle } = this;
    return width === this.width ? this : new FileStates(folder, tokens, width, { file, handle });
  }

  close(): void {
    closeSync(this.handle);
    rmSync(this.file, { force: true });
  }

  private readRow(first: number, target: Float32Array): void {
    const bytes = bytesOf(target);
    const start = this.offsetOf(first);
    this.doing('read', () => {
      for (let done = 0; done < bytes.length;) {
        const count = readSync(this.handle, bytes, done, bytes.length - done, start + done);
        if (count === 0) throw new Error('it is too short');
        done += count;
      }
    });
  }

  private offsetOf(token: number): number {
    return token * this.width * Float32Array.BYTES_PER_ELEMENT;
  }

  private doing<T>(what: string, work: () => T): T {
    try {
      return work();
    } catch (cause) {
      const message = said`The temporary file of states cannot be ${what}: ${reason(cause)}`;
      throw new QuantscopeError('IO', message, { file: this.file }, cause);
    }
  }
}

const bytesOf = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** Fills states with zeros, so many tokens at a time. */
export function clear(states: States, atOnce: number): void {
  for (let first = 0; first < states.tokens; first += atOnce) {
    const tokens = Math.min(atOnce, states.tokens - first);
    states.write(first, new Float32Array(tokens * states.width));
  }
}
