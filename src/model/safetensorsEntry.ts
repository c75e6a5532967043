import { maxDimensions } from './limits';
import { refusePlain, type PlainJson } from './plainJson';

/** Shapes that are kept to be shared: a model has few. */
const keptShapes = 32;

/** Reads the entries of a safetensors header one after the other; equal dtypes and shapes are one object. */
export class PlainEntry {
  dtype = '';
  shape: readonly number[] = [];
  begin = 0;
  end = 0;
  private readonly sizes: number[] = [];
  private readonly offsets: number[] = [];
  /** Latest used first, as far as they move. */
  private readonly shapes: (readonly number[])[] = [];
  private members = 0;

  /** The entry that comes next; the next call reads into the same object. */
  read(json: PlainJson): this {
    this.members = 0;
    json.object((key) => this.member(key, json));
    if (this.members !== dtypeMember + shapeMember + offsetsMember) refusePlain();
    return this;
  }

  private member(key: string, json: PlainJson): void {
    if (key === 'dtype') {
      const dtype = json.string();
      if (dtype !== this.dtype) this.dtype = dtype;
      this.found(dtypeMember);
    } else if (key === 'shape') {
      this.sizes.length = 0;
      json.wholeNumbers(this.sizes);
      if (this.sizes.length > maxDimensions) refusePlain();
      this.shape = this.sharedShape();
      this.found(shapeMember);
    } else if (key === 'data_offsets') {
      this.offsets.length = 0;
      json.wholeNumbers(this.offsets);
      if (this.offsets.length !== 2) refusePlain();
      [this.begin = 0, this.end = 0] = this.offsets;
      this.found(offsetsMember);
    } else refusePlain();
  }

  private found(member: number): void {
    if ((this.members & member) !== 0) refusePlain();
    this.members |= member;
  }

  private sharedShape(): readonly number[] {
    const { sizes, shapes } = this;
    for (const shape of shapes) if (isEqual(shape, sizes)) return shape;
    const shape = [...sizes];
    if (shapes.length < keptShapes) shapes.push(shape);
    return shape;
  }
}

const [dtypeMember, shapeMember, offsetsMember] = [1, 2, 4];

function isEqual(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
