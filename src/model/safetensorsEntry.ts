import { maxDimensions } from './limits';
import { plainName, refusePlain, type PlainJson } from './plainJson';

/** Shapes that are kept to be shared: a model has few. */
const keptShapes = 32;

/** Members of an entry, each of which is there once. */
const members = ['dtype', 'shape', 'data_offsets'].map(plainName);
const [dtypeMember, shapeMember] = [0, 1];
const allMembers = 0b111;

/** Reads the entries of a safetensors header one after the other; equal dtypes and shapes are one object. */
export class PlainEntry {
  dtype = '';
  shape: readonly number[] = [];
  begin = 0;
  end = 0;
  private readonly sizes = new Float64Array(maxDimensions);
  private readonly offsets = new Float64Array(2);
  private readonly shapes: (readonly number[])[] = [];

  /** The entry that comes next; the next call reads into the same object. */
  read(json: PlainJson): this {
    let found = 0;
    for (let more = json.opens(); more; more = json.continues()) {
      const member = json.oneOf(members);
      if ((found & (1 << member)) !== 0) refusePlain();
      found |= 1 << member;
      if (member === dtypeMember) this.dtype = json.string(this.dtype);
      else if (member === shapeMember) this.shape = this.shared(json.wholeNumbers(this.sizes));
      else if (json.wholeNumbers(this.offsets) !== 2) refusePlain();
    }
    if (found !== allMembers) refusePlain();
    [this.begin = 0, this.end = 0] = this.offsets;
    return this;
  }

  /** The first sizes as a list, which equal shapes share. */
  private shared(count: number): readonly number[] {
    const { sizes, shapes } = this;
    for (const shape of shapes) if (isEqual(shape, sizes, count)) return shape;
    const shape = Array.from(sizes.subarray(0, count));
    if (shapes.length < keptShapes) shapes.push(shape);
    return shape;
  }
}

function isEqual(shape: readonly number[], sizes: Float64Array, count: number): boolean {
  if (shape.length !== count) return false;
  for (let i = 0; i < count; i++) if (shape[i] !== sizes[i]) return false;
  return true;
}
