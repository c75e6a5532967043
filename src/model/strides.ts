import type { TensorDescriptor } from '../protocol/model';
import type { ByteSource } from './byteSource';
import { safetensorsDtype } from './dtypes';
import { throwIfCancelled } from './errors';

/** What is needed to read a tensor whose elements may lie in any order. */
type Placed = Pick<TensorDescriptor, 'dtype' | 'shape' | 'offset' | 'strides'>;

/** Bytes that are read at a time where elements are gathered. */
const windowBytes = 1 << 20;

/** A window is read whole if at least one in so many of its elements is needed; else its parts are read one by one. */
const sparsest = 16;

/**
 * Fills `target` with a tensor's elements in their order, from `offset` (bytes) on. Where they do not lie in that order, they are gathered
 * through a window of bounded size.
 * @throws RangeError when a gathered range does not begin and end between elements.
 */
export async function readElements(
  source: ByteSource,
  tensor: Placed,
  offset: number,
  target: Uint8Array,
  signal?: AbortSignal,
): Promise<void> {
  const { strides, shape } = tensor;
  if (!strides) return source.readInto(target, tensor.offset + offset, signal);
  const bytes = (safetensorsDtype(tensor.dtype)?.bitsPerBlock ?? 8) / 8;
  const [first, count] = [offset / bytes, target.length / bytes];
  if (!Number.isInteger(first) || !Number.isInteger(count))
    throw new RangeError(`Elements of ${bytes} bytes cannot be cut at ${offset} and ${target.length} bytes`);
  const isAligned = target.byteOffset % Math.min(bytes, 4) === 0;
  const gathered = isAligned ? target : new Uint8Array(target.length);
  const job: Job = { source, bytes, target: wordsOf(gathered, bytes), signal };
  let done = 0;
  for (const { start, counts, steps } of boxesOf(shape, first, count)) {
    const axes = counts.map((n, i): Axis => ({ count: n, from: strides[i]!, to: steps[i]! }));
    const farthestFirst = axes.filter((axis) => axis.count > 1).sort((x, y) => y.from - x.from);
    const at = start.reduce((sum, index, i) => sum + index * strides[i]!, 0);
    await gather(job, farthestFirst, tensor.offset + at * bytes, done);
    done += counts.reduce((product, n) => product * n, 1);
  }
  if (!isAligned) target.set(gathered);
}

/** A dimension of what is gathered. */
interface Axis {
  readonly count: number;
  /** Distance of neighbours where they are read, in elements. */
  readonly from: number;
  /** And where they are put. */
  readonly to: number;
}

interface Box {
  readonly start: readonly number[];
  readonly counts: readonly number[];
  /** Distance of neighbours in each dimension where the box's elements are in order. */
  readonly steps: readonly number[];
}

/** Consecutive elements of a tensor as boxes that follow each other: the rest of a row, whole rows, the beginning of a row, in every dimension. */
function* boxesOf(shape: readonly number[], first: number, count: number): Generator<Box> {
  const rest = shape.slice(1);
  const size = rest.reduce((product, n) => product * n, 1);
  for (let at = first; at < first + count;) {
    const [index, within] = [Math.floor(at / size), at % size];
    const whole = within === 0 ? Math.floor((first + count - at) / size) : 0;
    if (shape.length === 0 || whole > 0) {
      const counts = shape.length === 0 ? [] : [whole, ...rest];
      yield { counts, start: shape.map((_, i) => (i === 0 ? index : 0)), steps: stepsOf(counts) };
      at += shape.length === 0 ? 1 : whole * size;
      continue;
    }
    const part = Math.min(size - within, first + count - at);
    for (const { start, counts, steps } of boxesOf(rest, within, part))
      yield { start: [index, ...start], counts: [1, ...counts], steps: [0, ...steps] };
    at += part;
  }
}

const stepsOf = (counts: readonly number[]): number[] =>
  counts.map((_, i) => counts.slice(i + 1).reduce((product, n) => product * n, 1));

/** Elements of a box that are still to be read, and where they go. */
interface Job {
  readonly source: ByteSource;
  /** Bytes of an element. */
  readonly bytes: number;
  readonly target: Words;
  readonly signal: AbortSignal | undefined;
}

/**
 * Reads a box: as one window if that is small and dense, else cut along the axis whose neighbours are farthest from each other.
 * @param axes those farthest first. @param offset of the first element in the file. @param to of the first element in the target.
 */
async function gather(job: Job, axes: readonly Axis[], offset: number, to: number): Promise<void> {
  const { source, bytes, target, signal } = job;
  throwIfCancelled(signal);
  const [axis, ...inner] = axes;
  if (!axis || isDense(axes, bytes)) {
    const window = new Uint8Array(spanOf(axes) * bytes);
    await source.readInto(window, offset, signal);
    scatter(wordsOf(window, bytes), 0, target, to * wordsPer(bytes), wordAxes(axes, bytes));
    return;
  }
  const fitting = Math.floor((windowBytes / bytes - spanOf(inner)) / axis.from) + 1;
  const part = { ...axis, count: Math.min(fitting, axis.count - 1) }; // less than all: that was tried
  const step = part.count > 1 && isDense([part, ...inner], bytes) ? part.count : 1;
  for (let i = 0; i < axis.count; i += step) {
    const count = Math.min(step, axis.count - i);
    const rest = count > 1 ? [{ ...axis, count }, ...inner] : inner;
    await gather(job, rest, offset + i * axis.from * bytes, to + i * axis.to);
  }
}

/** Elements from the first to the last of a box, both included. */
const spanOf = (axes: readonly Axis[]): number =>
  axes.reduce((span, { count, from }) => span + (count - 1) * from, 1);

function isDense(axes: readonly Axis[], bytes: number): boolean {
  const needed = axes.reduce((product, { count }) => product * count, 1);
  const span = spanOf(axes);
  return span * bytes <= windowBytes && needed * sparsest >= span;
}

/** Elements as numbers of 1, 2 or 4 bytes, which are copied exactly. */
type Words = Uint8Array | Uint16Array | Uint32Array;

const wordsPer = (bytes: number): number => Math.max(1, bytes / 4);

function wordsOf({ buffer, byteOffset, byteLength }: Uint8Array, bytes: number): Words {
  if (bytes === 1) return new Uint8Array(buffer, byteOffset, byteLength);
  if (bytes === 2) return new Uint16Array(buffer, byteOffset, byteLength / 2);
  return new Uint32Array(buffer, byteOffset, byteLength / 4);
}

/** The same axes in words, with one for the words of an element. */
function wordAxes(axes: readonly Axis[], bytes: number): Axis[] {
  const words = wordsPer(bytes);
  const scaled = axes.map(({ count, from, to }) => ({ count, from: from * words, to: to * words }));
  return words === 1 ? scaled : [...scaled, { count: words, from: 1, to: 1 }];
}

function scatter(window: Words, from: number, target: Words, to: number, axes: readonly Axis[]): void {
  const [axis, ...inner] = axes;
  if (!axis) target[to] = window[from]!;
  else if (inner.length === 0)
    for (let i = 0; i < axis.count; i++) target[to + i * axis.to] = window[from + i * axis.from]!;
  else
    for (let i = 0; i < axis.count; i++)
      scatter(window, from + i * axis.from, target, to + i * axis.to, inner);
}
