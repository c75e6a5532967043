import type { Danger } from '../../protocol/model';
import { said } from '../../protocol/said';
import { maxDangerCalls, maxDangers } from '../limits';
import { cut, shownItemsOf, type DangerRecord, type Foreign, type PickleValue } from './values';

/** Characters of a name and of a call that are kept. */
const keptCharacters = 200;

/** The classes and functions that a pickle asks Python for and that this reader does not know. Nothing of them is run. */
export class Dangers {
  private readonly records = new Map<string, DangerRecord>();
  /** Names beyond `maxDangers`. */
  private more: DangerRecord | undefined;

  /** @param earlier what was found before, which is copied. */
  constructor(earlier?: Dangers) {
    for (const [name, record] of earlier?.records ?? [])
      this.records.set(name, { ...record, calls: [...record.calls] });
    this.more = earlier?.more;
  }

  get isEmpty(): boolean {
    return this.records.size === 0;
  }

  /**
   * Records a class or function.
   * @param offset of the opcode that names it, in the file.
   */
  named(name: string, offset: number): Foreign {
    const text = cut(name, keptCharacters);
    return { kind: 'foreign', text, danger: this.record(text, offset) };
  }

  /** Records that Python would call something. @returns the stand-in for its result. */
  called({ text, danger }: Foreign, args: readonly PickleValue[]): Foreign {
    const call = cut(`${text}(${shownItemsOf(args)})`, keptCharacters);
    const { calls } = danger;
    if (calls.length < maxDangerCalls && !calls.includes(call)) calls.push(call);
    return { kind: 'foreign', text: call, danger };
  }

  list(file: string): Danger[] {
    const records = [...this.records.values(), ...(this.more ? [this.more] : [])];
    return records.map((record) => ({ file, ...record, calls: [...record.calls] }));
  }

  /** The message of an error, with what was found, if anything. */
  addedTo(message: string): string {
    const [first] = this.records.values();
    if (!first) return message;
    const [call, more] = [first.calls[0] ?? first.name, this.records.size - 1];
    const danger =
      more > 0
        ? said`DANGER: loading the file in Python would run ${call} (byte ${first.offset}) and ${more} more; nothing of it was run here.`
        : said`DANGER: loading the file in Python would run ${call} (byte ${first.offset}); nothing of it was run here.`;
    return said`${message} ${danger}`;
  }

  private record(name: string, offset: number): DangerRecord {
    const known = this.records.get(name);
    if (known) return known;
    if (this.records.size >= maxDangers) return (this.more ??= { name: 'more names', offset, calls: [] });
    const record = { name, offset, calls: [] };
    this.records.set(name, record);
    return record;
  }
}
