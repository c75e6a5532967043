import type { QuantscopeError } from '../errors';
import { maxPickleObjects } from '../limits';
import type { Dangers } from './dangers';
import { callGlobal, findGlobal } from './globals';
import type { PickleBytes } from './pickleBytes';
import {
  asKind,
  itemsOf,
  shownValue,
  type Dictionary,
  type Foreign,
  type PickleValue,
  type Sequence,
  type Storage,
} from './values';
import { said } from '../../protocol/said';

/** Stack and memo of a pickle that is being read. Everything is counted, so that a few bytes cannot make much. */
export class Machine {
  readonly stack: PickleValue[] = [];
  /** By their keys. */
  readonly storages = new Map<string, Storage>();
  /** Heights of the stack at its marks. */
  private readonly marks: number[] = [];
  private readonly memo = new Map<number, PickleValue>();
  private made = 0;
  /** Offset in the file of the opcode that is being done. */
  private opcodeOffset = 0;

  constructor(
    readonly bytes: PickleBytes,
    readonly dangers: Dangers,
  ) {}

  nextOpcode(): number {
    this.opcodeOffset = this.bytes.offset;
    return this.bytes.u8();
  }

  /** @returns an error about the opcode that is being done. */
  fail(message: string): QuantscopeError {
    return this.bytes.fail(message, this.opcodeOffset);
  }

  push(value: PickleValue): void {
    if (this.stack.length >= maxPickleObjects) throw this.tooMany();
    this.stack.push(value);
  }

  /** Pushes an object that takes memory of its own. */
  pushNew(value: PickleValue): void {
    this.count(1);
    this.push(value);
  }

  private count(made: number): void {
    this.made += made;
    if (this.made > maxPickleObjects) throw this.tooMany();
  }

  pop(): PickleValue {
    if (this.stack.length <= (this.marks.at(-1) ?? 0))
      throw this.fail(said`The pickle takes a value that it never made.`);
    return this.stack.pop()!;
  }

  top(): PickleValue {
    const value = this.pop();
    this.stack.push(value);
    return value;
  }

  mark(): void {
    if (this.marks.length >= maxPickleObjects) throw this.tooMany();
    this.marks.push(this.stack.length);
  }

  /** The values since the last mark, which is removed. */
  popMark(): PickleValue[] {
    const height = this.marks.pop();
    if (height === undefined) throw this.fail(said`The pickle returns to a mark that it never set.`);
    return this.stack.splice(height);
  }

  /** Python's POP also removes a mark where nothing is above it. */
  drop(): void {
    if (this.marks.length > 0 && this.marks.at(-1) === this.stack.length) this.marks.pop();
    else this.pop();
  }

  keep(key: number): void {
    if (this.memo.size >= maxPickleObjects) throw this.tooMany();
    this.memo.set(key, this.top());
  }

  keepNext(): void {
    this.keep(this.memo.size);
  }

  recall(key: number): void {
    const value = this.memo.get(key);
    if (value === undefined) throw this.fail(said`The pickle refers to value ${key}, which it never kept.`);
    this.push(value);
  }

  /** A class or function by its name: known, or recorded as a danger. */
  global(module: string, name: string): PickleValue {
    const full = `${module}.${name}`;
    return findGlobal(full) ?? this.unknown(full);
  }

  unknown(name: string): Foreign {
    return this.dangers.named(name, this.opcodeOffset);
  }

  /** The result of a call: made here if the callee is known, a stand-in if not. */
  call(callee: PickleValue, args: PickleValue): void {
    const list = itemsOf(args);
    const foreign = asKind(callee, 'foreign');
    if (foreign) return this.pushNew(this.dangers.called(foreign, list ?? [args]));
    const known = asKind(callee, 'global');
    const made = known && list && callGlobal(known, list);
    if (made === undefined)
      throw this.fail(
        said`The pickle calls ${shownValue(callee)} with ${shownValue(args)}, which does not fit.`,
      );
    this.count(Math.max(copiedItems(made), sizeOf(list ?? []) - freeSize));
    this.pushNew(made);
  }

  /** Adds items to a list or set; what is added to the result of an unknown call is dropped. */
  extend(target: PickleValue, items: readonly PickleValue[], kind: Sequence['kind']): void {
    const sequence = asKind(target, kind);
    if (sequence) for (const item of items) sequence.items.push(item);
    else if (!asKind(target, 'foreign'))
      throw this.fail(said`The pickle adds items to ${shownValue(target)}, which is not a ${kind}.`);
  }

  /** Sets items of a dictionary. @param items keys and values in turn. */
  setItems(target: PickleValue, items: readonly PickleValue[]): void {
    if (items.length % 2 !== 0) throw this.fail(said`The pickle sets a key without a value.`);
    const dictionary = asKind(target, 'dict');
    if (dictionary) this.setEntries(dictionary, items);
    else if (!asKind(target, 'foreign'))
      throw this.fail(said`The pickle sets items of ${shownValue(target)}, which is not a dictionary.`);
  }

  private setEntries({ entries }: Dictionary, items: readonly PickleValue[]): void {
    for (let i = 0; i < items.length; i += 2) entries.set(items[i]!, items[i + 1]!);
    if (entries.size > maxPickleObjects) throw this.tooMany();
  }

  private tooMany(): QuantscopeError {
    return this.fail(said`The pickle makes more than ${maxPickleObjects} objects.`);
  }
}

/** Bytes that take as much memory as an object. */
const objectBytes = 32;

/** What a call may have copied from its arguments, in objects. */
function copiedItems(made: PickleValue): number {
  if (made instanceof Uint8Array) return Math.ceil(made.length / objectBytes);
  return itemsOf(made)?.length ?? 2 * (asKind(made, 'dict')?.entries.size ?? 0);
}

/** Size up to which the arguments of a call are not counted: those of a tensor have about a dozen items. */
const freeSize = 64;

/** Arguments and their items, which a call looks through. */
const sizeOf = (args: readonly PickleValue[]): number =>
  args.reduce<number>((sum, item) => sum + (itemsOf(item)?.length ?? 0), args.length);
