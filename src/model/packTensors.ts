import type { ModelDescription, TensorDescriptor } from '../protocol/model';
import { splitName, type PackedModel, type PackedTensors, type TensorKind } from '../protocol/tensorTable';

/** A description for `tabled`. */
export const packModel = (model: ModelDescription): PackedModel => ({
  ...model,
  tensors: packTensors(model.tensors),
});

/** The tensors of a model for `TensorTable`. */
export function packTensors(tensors: readonly TensorDescriptor[]): PackedTensors {
  const names = new NamePatterns();
  const kinds = new Kinds();
  const places: [first: number, file: number, offset: number][] = [];
  const files = new Map<string, number>();
  const numbers: number[] = [];
  let stream = new Uint32Array(6 * tensors.length + 64);
  let at = 0;
  let [file, end] = ['', -1];
  for (let i = 0; i < tensors.length; i++) {
    const tensor = tensors[i]!;
    numbers.length = 0;
    const pattern = names.of(tensor.name, numbers);
    if (at + 2 + numbers.length > stream.length) stream = doubled(stream, 2 + numbers.length);
    stream[at++] = pattern;
    stream[at++] = kinds.of(tensor);
    for (let n = 0; n < numbers.length; n++) stream[at++] = numbers[n]!;
    if (tensor.offset !== end || tensor.file !== file) {
      ({ file } = tensor);
      if (!files.has(file)) files.set(file, files.size);
      places.push([i, files.get(file)!, tensor.offset]);
    }
    end = tensor.offset + tensor.byteLength;
  }
  return {
    ...{
      count: tensors.length,
      patterns: names.patterns,
      kinds: kinds.all,
      files: [...files.keys()],
      places,
    },
    stream: Buffer.from(stream.buffer, 0, 4 * at).toString('base64'),
  };
}

function doubled(stream: Uint32Array<ArrayBuffer>, more: number): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(2 * stream.length + more);
  larger.set(stream);
  return larger;
}

/** Names by their patterns. Names of neighbours alternate between few: what followed a pattern last time is tried first. */
class NamePatterns {
  readonly patterns: (readonly string[])[] = [];
  private readonly byKey = new Map<string, number>();
  private readonly next: number[] = [];
  private last = -1;

  /** @param numbers receives those of the name. */
  of(name: string, numbers: number[]): number {
    const guess = this.next[this.last];
    const pattern =
      guess !== undefined && this.matches(guess, name, numbers) ? guess : this.look(name, numbers);
    if (this.last >= 0) this.next[this.last] = pattern;
    return (this.last = pattern);
  }

  private look(name: string, numbers: number[]): number {
    numbers.length = 0;
    const split = splitName(name);
    for (const number of split.numbers) numbers.push(number);
    const key = JSON.stringify(split.pieces); // names may hold any character
    const known = this.byKey.get(key);
    if (known !== undefined) return known;
    this.byKey.set(key, this.patterns.length);
    return this.patterns.push(split.pieces) - 1;
  }

  /** Whether a name has that pattern; its pieces hold no numbers themselves. */
  private matches(pattern: number, name: string, numbers: number[]): boolean {
    const pieces = this.patterns[pattern]!;
    let at = 0;
    for (let p = 0; p < pieces.length; p++) {
      const piece = pieces[p]!;
      if (!name.startsWith(piece, at)) return false;
      at += piece.length;
      if (p === pieces.length - 1) return at === name.length;
      const start = at;
      let value = 0;
      for (let code = name.charCodeAt(at); code >= 48 && code <= 57; code = name.charCodeAt(++at))
        value = 10 * value + (code - 48);
      const digits = at - start;
      if (digits === 0 || digits > 9 || (digits > 1 && name.charCodeAt(start) === 48)) return false;
      numbers.push(value);
    }
    return false;
  }
}

/** Kinds of tensors: those that are plain and equal are one. */
class Kinds {
  readonly all: TensorKind[] = [];
  /** By the list of the shape, which readers of headers share, and by its text. */
  private readonly byShape = new Map<readonly number[], number[]>();
  private readonly byText = new Map<string, number[]>();

  of(tensor: TensorDescriptor): number {
    const { dtype, shape, byteLength, elements } = tensor;
    if (!tensor.readable || tensor.strides || tensor.stored) return this.add(tensor);
    const candidates = this.ofShape(shape);
    for (const candidate of candidates) {
      const kind = this.all[candidate]!;
      if (kind.dtype === dtype && kind.byteLength === byteLength && kind.elements === elements)
        return candidate;
    }
    const added = this.add(tensor);
    candidates.push(added);
    return added;
  }

  private ofShape(shape: readonly number[]): number[] {
    const known = this.byShape.get(shape);
    if (known) return known;
    const text = shape.join();
    const found = this.byText.get(text) ?? [];
    this.byText.set(text, found);
    this.byShape.set(shape, found);
    return found;
  }

  private add({ name: _, file: __, offset: ___, ...kind }: TensorDescriptor): number {
    return this.all.push(kind) - 1;
  }
}
