import { TensorTable } from '../protocol/tensorTable';
import type { ByteSource } from './byteSource';
import { bytesOf, elementsOf, safetensorsDtype } from './dtypes';
import { maxTensors } from './limits';
import { IntegerStream } from './integerStream';
import { NameOrder } from './nameOrder';
import { NamePatterns } from './namePatterns';
import { plainly, refusePlain, type PlainJson } from './plainJson';
import { PlainEntry } from './safetensorsEntry';
import { TensorKinds } from './tensorKinds';

/** What the headers of a model have in common. Files with one dictionary can be compared and joined by their integers. */
export class HeaderDictionary {
  readonly names = new NamePatterns();
  readonly kinds = new TensorKinds();
  /** The entry of the last tensor of each pattern. */
  readonly entries: (KnownEntry | undefined)[] = [];
}

/** An entry up to its offsets, as the library writes it, and what it says. */
interface KnownEntry {
  readonly text: Uint8Array;
  readonly kind: number;
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

const metadataName = Buffer.from('"__metadata__"');

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

/** Bytes of an entry, about: columns get room for as many. */
const entryBytes = 100;

class ColumnReader {
  private readonly stream: IntegerStream;
  private readonly offsets: number[] = [];
  private readonly entry = new PlainEntry();
  private readonly range = new Float64Array(2);
  private metadata: unknown;
  private end = 0;
  private readonly order = new NameOrder();

  constructor(
    private readonly json: PlainJson,
    private readonly fileSize: number,
    private readonly dictionary: HeaderDictionary,
  ) {
    this.stream = new IntegerStream(Math.ceil((6 * json.bytes.length) / entryBytes));
  }

  read(): Listed {
    const { json, dictionary, offsets } = this;
    const dataStart = 8 + json.bytes.length;
    for (let more = json.opens(); more; more = json.continues())
      if (json.takes(metadataName)) this.readMetadata();
      else this.readTensor(dataStart);
    const count = offsets.length;
    if (count > maxTensors) refusePlain();
    offsets.push(dataStart + this.end);
    const columns = { dictionary, count, stream: this.stream.all(), offsets: Float64Array.from(offsets) };
    if (!this.order.isAscending && !hasDistinctNames(columns)) refusePlain();
    return { columns, metadata: this.metadata };
  }

  private readMetadata(): void {
    if (this.metadata !== undefined) refusePlain();
    this.json.colon();
    this.metadata = this.json.anyObject();
  }

  private readTensor(dataStart: number): void {
    const { json, dictionary, stream, range } = this;
    const at = stream.length;
    const start = json.at;
    const pattern = dictionary.names.read(json, stream);
    this.order.add(json.bytes, start, json.at);
    const known = dictionary.entries[pattern];
    if (known && json.takes(known.text)) {
      if (json.wholeNumbers(range) !== 2) refusePlain();
      json.closes();
      stream.values[at + 1] = known.kind;
    } else stream.values[at + 1] = this.readEntry(pattern);
    const [begin = 0, end = 0] = range;
    const { byteLength } = dictionary.kinds.all[stream.values[at + 1]!]!;
    if (begin !== this.end || end - begin !== byteLength || dataStart + end > this.fileSize) refusePlain();
    this.offsets.push(dataStart + begin);
    this.end = end;
  }

  /** An entry that is not that of the last tensor of its pattern. @returns its kind; its offsets are in the range. */
  private readEntry(pattern: number): number {
    const { json, dictionary, entry, range } = this;
    json.colon();
    const { dtype, shape, begin, end } = entry.read(json);
    range[0] = begin;
    range[1] = end;
    const elements = elementsOf(shape);
    const known = safetensorsDtype(dtype);
    if (elements === undefined || !known?.decodable) return refusePlain();
    const byteLength = bytesOf(known, elements);
    if (byteLength !== end - begin) return refusePlain();
    const kind = dictionary.kinds.of({ dtype, shape, elements, byteLength, readable: true });
    const text = Buffer.from(`:{"dtype":"${dtype}","shape":[${shape.join()}],"data_offsets":`);
    dictionary.entries[pattern] = { text, kind };
    return kind;
  }
}

/** Names are equal where their integers are. */
export function hasDistinctNames({ dictionary, count, stream }: Omit<FileColumns, 'offsets'>): boolean {
  const { patterns } = dictionary.names;
  const names = new Set<string>();
  for (let i = 0, at = 0; i < count; i++) {
    const end = at + 1 + patterns[stream[at]!]!.length; // a pattern has a number less than pieces
    names.add(`${stream[at]!} ${stream.subarray(at + 2, end).join(' ')}`);
    at = end;
  }
  return names.size === count;
}
