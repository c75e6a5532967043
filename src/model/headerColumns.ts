import { TensorTable } from '../protocol/tensorTable';
import type { ByteSource } from './byteSource';
import { bytesOf, elementsOf, safetensorsDtype } from './dtypes';
import { maxTensors } from './limits';
import { EntryRuns } from './entryRuns';
import { IntegerStream } from './integerStream';
import { NamePatterns } from './namePatterns';
import { plainly, refusePlain, type PlainJson } from './plainJson';
import { PlainEntry } from './safetensorsEntry';
import { TensorKinds } from './tensorKinds';
import { entryTemplate } from './textTemplate';

/** What the headers of a model have in common. Files with one dictionary can be compared and joined by their integers. */
export class HeaderDictionary {
  readonly names = new NamePatterns();
  readonly kinds = new TensorKinds();
}

/** The tensors of a file, in the order of their data, which begins where that of the one before ends. */
export interface FileColumns {
  readonly dictionary: HeaderDictionary;
  readonly count: number;
  /** For each tensor the index of its pattern, that of its kind, and the numbers of its name. */
  readonly stream: Uint32Array;
  /** Where the data of each begins in the file, and where that of the last one ends. */
  readonly offsets: Float64Array;
}

/** The tensors one by one. @param file that they are in. */
export const tableOfFile = ({ dictionary, count, stream, offsets }: FileColumns, file: string): TensorTable =>
  new TensorTable({
    ...{ count, patterns: dictionary.names.patterns, kinds: dictionary.kinds.all, stream },
    ...{ files: [file], places: [[0, 0, offsets[0]!]] },
  });

interface Listed {
  readonly columns: FileColumns;
  /** `__metadata__`; undefined where it is absent. */
  readonly metadata: unknown;
}

const metadataName = '__metadata__';

/**
 * The header of a safetensors file as the library writes it: tensors in the order of their data, all of which is there and can be decoded.
 * Nothing is made for a tensor but its integers.
 * @param bytes of the header.
 * @returns undefined for any other header, be it right or wrong.
 */
export const readHeaderColumns = (
  bytes: Uint8Array,
  source: ByteSource,
  dictionary: HeaderDictionary,
): Listed | undefined => plainly(bytes, (json) => new ColumnReader(json, source.size, dictionary).read());

/** Bytes of an entry at least, and about: columns get room for as many. */
const [leastEntryBytes, entryBytes] = [48, 100];

class ColumnReader {
  private readonly stream: IntegerStream;
  private readonly runs: EntryRuns;
  private readonly entry = new PlainEntry();
  private metadata: unknown;

  constructor(
    private readonly json: PlainJson,
    private readonly fileSize: number,
    private readonly dictionary: HeaderDictionary,
  ) {
    const { length } = json.bytes;
    this.stream = new IntegerStream(Math.ceil((6 * length) / entryBytes));
    this.runs = new EntryRuns(dictionary.names, this.stream, 2 * Math.ceil(length / leastEntryBytes));
  }

  read(): Listed {
    const { json, dictionary, runs, stream } = this;
    let count = 0;
    for (let more = json.opens(); more; more = json.continues()) {
      const name = json.name();
      if (name === metadataName) this.readMetadata();
      else {
        this.readTensor(name);
        count += 1 + runs.read(json);
      }
    }
    if (count > maxTensors) refusePlain();
    const columns = { dictionary, count, stream: stream.all() };
    if (!hasDistinctNames(columns)) refusePlain();
    return { columns: { ...columns, offsets: this.offsetsOf(columns) }, metadata: this.metadata };
  }

  private readMetadata(): void {
    if (this.metadata !== undefined) refusePlain();
    this.metadata = this.json.anyObject();
  }

  /** A tensor that is not what was expected. */
  private readTensor(name: string): void {
    const { json, dictionary, entry, runs, stream } = this;
    const { dtype, shape, begin, end } = entry.read(json);
    const elements = elementsOf(shape);
    const known = safetensorsDtype(dtype);
    if (elements === undefined || !known?.decodable) return refusePlain();
    const byteLength = bytesOf(known, elements);
    if (byteLength === undefined) return refusePlain();
    const kind = dictionary.kinds.of({ dtype, shape, elements, byteLength, readable: true });
    const pattern = dictionary.names.look(name, kind, stream);
    runs.numbers[runs.count++] = begin;
    runs.numbers[runs.count++] = end;
    if (runs.after[pattern]?.beside !== kind)
      runs.after[pattern] = { text: entryTemplate(dtype, shape), beside: kind };
  }

  /** Where the tensors begin in the file, whose data must lie in their order without a gap, and where the last one ends. */
  private offsetsOf({ count, stream }: Omit<FileColumns, 'offsets'>): Float64Array {
    const { patterns } = this.dictionary.names;
    const { all: kinds } = this.dictionary.kinds;
    const { numbers } = this.runs;
    const dataStart = 8 + this.json.bytes.length;
    const offsets = new Float64Array(count + 1);
    let end = 0;
    for (let i = 0, at = 0; i < count; i++) {
      const begin = end;
      offsets[i] = dataStart + begin;
      end = numbers[2 * i + 1]!;
      if (numbers[2 * i] !== begin || end - begin !== kinds[stream[at + 1]!]!.byteLength) refusePlain();
      at += 1 + patterns[stream[at]!]!.length; // a pattern has a number less than pieces
    }
    if (dataStart + end > this.fileSize) refusePlain();
    offsets[count] = dataStart + end;
    return offsets;
  }
}

/** Names are equal where their integers are. */
export const hasDistinctNames = (columns: Omit<FileColumns, 'offsets'>): boolean =>
  isAscending(columns) || areDistinct(columns);

/**
 * Whether each name comes after the last one of its pattern by the texts of its numbers, as in a sorted list: then there are no two equal ones.
 */
function isAscending({ dictionary, count, stream }: Omit<FileColumns, 'offsets'>): boolean {
  const { patterns } = dictionary.names;
  const last = new Int32Array(patterns.length).fill(-1);
  for (let i = 0, at = 0; i < count; i++) {
    const pattern = stream[at]!;
    const before = last[pattern]!;
    const end = at + 1 + patterns[pattern]!.length;
    if (before >= 0 && !isAfter(stream, before + 2, at + 2, end)) return false;
    last[pattern] = at;
    at = end;
  }
  return true;
}

/** Whether numbers up to an end come after as many others. */
function isAfter(stream: Uint32Array, others: number, from: number, end: number): boolean {
  let [other, at] = [others, from];
  while (at < end && stream[at] === stream[other]) {
    at += 1;
    other += 1;
  }
  if (at === end) return false;
  const [before, number] = [stream[other]!, stream[at]!];
  let [a, b] = [before, number];
  for (let power = 10; power <= before || power <= number; power *= 10) {
    if (power > before) a *= 10;
    if (power > number) b *= 10;
  }
  return a === b ? number > before : b > a; // 10 comes before 9
}

function areDistinct({ dictionary, count, stream }: Omit<FileColumns, 'offsets'>): boolean {
  const { patterns } = dictionary.names;
  const names = new Set<string>();
  for (let i = 0, at = 0; i < count; i++) {
    const end = at + 1 + patterns[stream[at]!]!.length;
    names.add(`${stream[at]!} ${stream.subarray(at + 2, end).join(' ')}`);
    at = end;
  }
  return names.size === count;
}
