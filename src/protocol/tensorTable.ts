import type { ModelDescription, TensorDescriptor } from './model';

/** What many tensors share: all but their names and places. */
export type TensorKind = Omit<TensorDescriptor, 'name' | 'file' | 'offset'>;

/**
 * The tensors of a model as they cross boundaries: a hundred thousand descriptors are two megabytes so, an eighth of their JSON, and become objects
 * only where they are looked at.
 */
export interface PackedTensors extends Omit<TensorColumns, 'stream'> {
  /** The integers, little-endian, in base64. */
  readonly stream: string;
}

/** The same where they are not sent. */
export interface TensorColumns {
  readonly count: number;
  /** Names without their numbers: "model.layers.", ".mlp.experts.", ".up_proj.weight". */
  readonly patterns: readonly (readonly string[])[];
  readonly kinds: readonly TensorKind[];
  readonly files: readonly string[];
  /** From which tensor on data lies where: index of the tensor, index of the file, byte offset. Others follow the tensor before them. */
  readonly places: readonly (readonly [first: number, file: number, offset: number])[];
  /** For each tensor the index of its pattern, that of its kind, and the numbers of its name. */
  readonly stream: Uint32Array;
}

/** A description on its way. */
export interface PackedModel extends Omit<ModelDescription, 'tensors'> {
  readonly tensors: PackedTensors;
}

/** A description whose list of tensors is made when it is first looked at. */
export interface TabledModel extends ModelDescription {
  readonly table: TensorTable;
}

/** The description that was packed. */
export function tabled(packed: PackedModel): TabledModel {
  const table = new TensorTable(packed.tensors);
  return {
    ...packed,
    table,
    get tensors() {
      return table.all();
    },
  };
}

/** The tensors of a model, one by one. */
export class TensorTable {
  readonly count: number;
  readonly patterns: readonly (readonly string[])[];
  readonly kinds: readonly TensorKind[];
  readonly columns: TensorColumns;
  private readonly stream: Uint32Array;
  /** Where each tensor begins in the stream. */
  private readonly starts: Uint32Array;
  private places: { readonly files: Uint32Array; readonly offsets: Float64Array } | undefined;
  /** Of each kind, whether it has only what every tensor has. */
  private readonly isPlain: readonly boolean[];
  private readonly made: (TensorDescriptor | undefined)[] = [];
  private whole: readonly TensorDescriptor[] | undefined;

  constructor(packed: PackedTensors | TensorColumns) {
    const { stream } = packed;
    this.stream = typeof stream === 'string' ? integersOf(stream) : stream;
    this.columns = { ...packed, stream: this.stream };
    ({ count: this.count, patterns: this.patterns, kinds: this.kinds } = packed);
    this.isPlain = this.kinds.map((kind) => Object.keys(kind).length === plainMembers);
    this.starts = new Uint32Array(this.count);
    for (let i = 0, at = 0; i < this.count; i++) {
      this.starts[i] = at;
      at += 1 + this.patterns[this.stream[at]!]!.length; // the pattern, the kind, and a number less than there are pieces
    }
  }

  /** Index of the tensor's pattern. */
  patternOf(i: number): number {
    return this.stream[this.starts[i]!]!;
  }

  /** Index of the tensor's kind. */
  kindOf(i: number): number {
    return this.stream[this.starts[i]! + 1]!;
  }

  /** A number of the tensor's name, the first at 0. */
  numberOf(i: number, at: number): number {
    return this.stream[this.starts[i]! + 2 + at]!;
  }

  name(i: number): string {
    return nameAt(this.patterns, this.stream, this.starts[i]!);
  }

  /** The same object each time. */
  descriptor(i: number): TensorDescriptor {
    const known = this.made[i];
    if (known) return known;
    const { files, offsets } = (this.places ??= this.allPlaces());
    const kind = this.kindOf(i);
    const { dtype, shape, elements, byteLength, readable } = this.kinds[kind]!;
    const [name, file, offset] = [this.name(i), this.columns.files[files[i]!]!, offsets[i]!];
    // Member by member: a hundred thousand spreads take half a second.
    const plain = { name, dtype, shape, elements, file, offset, byteLength, readable };
    return (this.made[i] = this.isPlain[kind] ? plain : { ...plain, ...this.kinds[kind]! });
  }

  /** Index of the first tensor of such a kind; −1 where there is none. */
  findKind(isWanted: (kind: TensorKind) => boolean): number {
    const wanted = this.kinds.map(isWanted);
    for (let i = 0; i < this.count; i++) if (wanted[this.kindOf(i)]) return i;
    return -1;
  }

  /** Index of the first tensor of such a kind for each pattern of names: of all blocks the first. */
  firstsOfPatterns(isWanted: (kind: TensorKind) => boolean): number[] {
    const wanted = this.kinds.map(isWanted);
    const firsts = new Map<number, number>();
    for (let i = 0; i < this.count; i++)
      if (wanted[this.kindOf(i)] && !firsts.has(this.patternOf(i))) firsts.set(this.patternOf(i), i);
    return [...firsts.values()];
  }

  /** Index of the tensor of that name; −1 where there is none. */
  indexOf(name: string): number {
    const { pieces, numbers } = splitName(name);
    const pattern = this.patterns.findIndex((other) => isEqual(other, pieces));
    for (let i = 0; pattern >= 0 && i < this.count; i++)
      if (this.patternOf(i) === pattern && numbers.every((number, at) => number === this.numberOf(i, at)))
        return i;
    return -1;
  }

  /** Undefined where there is none of that name, or no name. */
  named(name: string | undefined): TensorDescriptor | undefined {
    const i = name === undefined ? -1 : this.indexOf(name);
    return i < 0 ? undefined : this.descriptor(i);
  }

  /** All of them. */
  all(): readonly TensorDescriptor[] {
    return (this.whole ??= Array.from({ length: this.count }, (_, i) => this.descriptor(i)));
  }

  private allPlaces() {
    const [files, offsets] = [new Uint32Array(this.count), new Float64Array(this.count)];
    let [next, file, offset] = [0, 0, 0];
    for (let i = 0; i < this.count; i++) {
      const place = this.columns.places[next];
      if (place?.[0] === i) {
        [, file, offset] = place;
        next += 1;
      }
      files[i] = file;
      offsets[i] = offset;
      offset += this.kinds[this.kindOf(i)]!.byteLength;
    }
    return { files, offsets };
  }
}

/** The name whose integers begin at an index of a stream. */
export function nameAt(patterns: TensorColumns['patterns'], stream: Uint32Array, start: number): string {
  const pieces = patterns[stream[start]!]!;
  let name = pieces[0]!;
  for (let at = 1; at < pieces.length; at++) name += stream[start + 1 + at]! + pieces[at]!;
  return name;
}

/** dtype, shape, elements, byteLength, readable. */
const plainMembers = 5;

/** A name in pieces, and the numbers between them. */
export interface SplitName {
  readonly pieces: readonly string[];
  readonly numbers: readonly number[];
}

/** Parts of a name that are numbers and are written as numbers are, of at most nine digits. */
const numberPart = /(?<=^|\.)(?:0|[1-9]\d{0,8})(?=\.|$)/;

export function splitName(name: string): SplitName {
  const pieces: string[] = [];
  const numbers: number[] = [];
  let rest = name;
  for (let found = numberPart.exec(rest); found; found = numberPart.exec(rest)) {
    pieces.push(rest.slice(0, found.index));
    numbers.push(Number(found[0]));
    rest = rest.slice(found.index + found[0].length);
  }
  return { pieces: [...pieces, rest], numbers };
}

function isEqual(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}

function integersOf(base64: string): Uint32Array {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return new Uint32Array(bytes.buffer);
}
