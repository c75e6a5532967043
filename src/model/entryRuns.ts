import type { IntegerStream } from './integerStream';
import type { NamePatterns } from './namePatterns';
import type { PlainJson } from './plainJson';
import { nameDigits, textTemplate, type TextTemplate } from './textTemplate';

interface Following {
  readonly text: TextTemplate;
  /** The integer that goes with the name. */
  readonly beside: number;
}

/** How an object goes on whose members are tensors, if it goes on as before: most members of headers and indexes are read by this. */
export class EntryRuns {
  /** What is between two members. */
  between = textTemplate([',']);
  /** For each pattern of names what followed the name. */
  readonly after: (Following | undefined)[] = [];
  /** What followed the last name, where that does not depend on names. */
  afterAny: Following | undefined;
  /** Numbers after the names, one entry after the other. */
  numbers: Float64Array;
  count = 0;

  /** @param numbers that all texts have after the names at most. */
  constructor(
    private readonly names: NamePatterns,
    private readonly stream: IntegerStream,
    numbers: number,
  ) {
    this.numbers = new Float64Array(numbers);
  }

  /**
   * Appends as many of the members that come next as are expected, each with its integer beside its pattern. A single loop, with all that
   * it needs in it: what runs for a fraction of a second should not be many functions, each of which is compiled.
   * @returns how many were read.
   */
  read(json: PlainJson): number {
    const { names, stream, between, after, afterAny, numbers } = this;
    const { view } = json;
    const lastWord = view.byteLength - 4;
    for (let read = 0; ; read++) {
      const pattern = names.next[names.last];
      if (pattern === undefined) return read;
      const following = afterAny ?? after[pattern];
      if (!following) return read;
      const name = names.template(pattern);
      stream.reserve(name.length);
      const { values } = stream;
      let [at, length, count] = [json.at, stream.length + 2, this.count];
      let [part, template, step] = [0, between, 0];
      for (;;) {
        const end = step + 1 + template[step]!;
        for (step += 1; step < end; step++, at += 4)
          if (at > lastWord || view.getInt32(at, true) !== template[step]) return read;
        if (at > lastWord || (view.getInt32(at, true) & template[step]!) !== template[step + 1]) return read;
        at += template[step + 2]!;
        const mostDigits = template[step + 3]!;
        step += 4;
        if (mostDigits === 0) {
          if (part === 2) break;
          template = part === 0 ? name : following.text;
          part += 1;
          step = 0;
          continue;
        }
        const start = at;
        let value = 0;
        for (let digit = view.getUint8(at) - 48; digit >= 0 && digit <= 9; digit = view.getUint8(at) - 48) {
          value = 10 * value + digit;
          if (++at > lastWord) return read;
        }
        const digits = at - start;
        if (digits === 0 || digits > mostDigits || (digits > 1 && view.getUint8(start) === 48)) return read;
        if (mostDigits === nameDigits) values[length++] = value;
        else numbers[count++] = value;
      }
      values[stream.length] = pattern;
      values[stream.length + 1] = following.beside;
      stream.length = length;
      this.count = count;
      names.last = pattern;
      json.at = at;
    }
  }
}
