import { parseJson } from '../model/json';
import { readBytesOfJson } from '../model/jsonFiles';
import type { DoctorFinding, TextPlace } from '../protocol/doctor';
import { jsonMember, type Member } from './fixes/jsonEdit';

type Stated = Pick<DoctorFinding, 'file' | 'key' | 'offset'>;

/** Where findings lie in JSON files, for editors: a member by its key, or where a text is no JSON; each file is read once. */
export class TextPlaces {
  private readonly files = new Map<string, Promise<JsonText | undefined>>();

  /** @returns undefined where the finding is of no place in a text. */
  async of({ file, key, offset }: Stated): Promise<TextPlace | undefined> {
    if (!/\.json$/i.test(file) || (key === undefined && !offset)) return undefined;
    const known = this.files.get(file);
    const reading = known ?? readText(file);
    if (!known) this.files.set(file, reading);
    return (await reading)?.place(key, offset);
  }
}

class JsonText {
  private readonly lineStarts: readonly number[];
  private readonly isJson: boolean;
  private readonly objects = new Map<number, ReadonlyMap<string, Member>>();

  constructor(
    private readonly bytes: Buffer,
    private readonly text = bytes.toString('utf8'),
  ) {
    const starts = [0];
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
    this.lineStarts = starts;
    this.isJson = isJson(text);
  }

  place(key: readonly string[] | undefined, offset: number | undefined): TextPlace | undefined {
    if (!this.isJson) {
      const at = this.bytes.subarray(0, offset).toString('utf8').length;
      return offset === undefined ? undefined : this.between(at, at);
    }
    const member = key && jsonMember(this.text, key, this.objects);
    if (!member) return undefined;
    const isLong = '{['.includes(this.text[member.value.start]!);
    return this.between(member.key.start, isLong ? member.key.end : member.value.end);
  }

  private between(start: number, end: number): TextPlace {
    const [from, to] = [this.lineOf(start), this.lineOf(end)];
    return {
      line: from + 1,
      column: start - this.lineStarts[from]! + 1,
      endLine: to + 1,
      endColumn: end - this.lineStarts[to]! + 1,
    };
  }

  /** From 0. */
  private lineOf(index: number): number {
    let [low, high] = [0, this.lineStarts.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.lineStarts[middle]! <= index) low = middle;
      else high = middle;
    }
    return low;
  }
}

function isJson(text: string): boolean {
  try {
    parseJson(text);
    return true;
  } catch {
    return false;
  }
}

/** A file that is gone by now, or too large for a file of settings, has no places. */
async function readText(file: string): Promise<JsonText | undefined> {
  try {
    return new JsonText(Buffer.from((await readBytesOfJson(file)).bytes));
  } catch {
    return undefined;
  }
}
