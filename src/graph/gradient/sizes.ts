import type { Dimension } from '../onnxWriter';

/** A dimension that is known when a graph is built: a number, or a fraction of one that each run decides. */
export interface Size {
  /** Coprime to `over`. */
  readonly times: number;
  readonly over: number;
  /** The name of what a run decides; empty for a number. */
  readonly of: string;
}

export type Shape = readonly Size[];

const numberSize = (times: number): Size => ({ times, over: 1, of: '' });
export const one = numberSize(1);

export const shapeOf = (dims: readonly Dimension[]): Shape =>
  dims.map((size) => (typeof size === 'number' ? numberSize(size) : { ...one, of: size }));

/** The size as a number. @throws RangeError for one that a run decides. */
export function numberOf(size: Size): number {
  if (size.of === '' && size.over === 1) return size.times;
  throw new RangeError(`the size ${describe(size)} is not known before a run`);
}

export const isSame = (a: Size, b: Size): boolean =>
  a.times === b.times && a.over === b.over && a.of === b.of;

export const isSameShape = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((size, axis) => isSame(size, b[axis]!));

/** @throws RangeError where each factor depends on a run. */
export function product(sizes: Shape): Size {
  return sizes.reduce((a, b) => {
    if (a.of !== '' && b.of !== '') throw new RangeError(`the product ${describe(a)} · ${describe(b)}`);
    return reduced(a.times * b.times, a.over * b.over, a.of || b.of);
  }, one);
}

/** How many of `parts` make `whole`. @throws RangeError where that is not known. */
export function quotient(whole: Size, parts: Size): Size {
  if (parts.of !== '' && parts.of !== whole.of)
    throw new RangeError(`the quotient ${describe(whole)} / ${describe(parts)}`);
  return reduced(whole.times * parts.over, whole.over * parts.times, parts.of === '' ? whole.of : '');
}

/** The shape of an elementwise result of two operands. @throws RangeError where they do not fit. */
export function broadcast(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis): Size => {
    const [left = one, right = one] = [a[axis - rank + a.length], b[axis - rank + b.length]];
    if (isSame(left, right) || isSame(right, one)) return left;
    if (isSame(left, one)) return right;
    throw new RangeError(`operands of shapes ${describeShape(a)} and ${describeShape(b)}`);
  });
}

/** A shape as Reshape takes it: −1 for the only size that a run decides. */
export function reshapeTarget(shape: Shape): number[] {
  if (shape.filter(({ of }) => of !== '').length > 1)
    throw new RangeError(`a shape with several unknown sizes, ${describeShape(shape)}`);
  return shape.map((size) => (size.of === '' ? numberOf(size) : -1));
}

export const describeShape = (shape: Shape): string => `[${shape.map(describe).join(', ')}]`;

function describe({ times, over, of }: Size): string {
  const factor = of === '' ? String(times) : times === 1 ? of : `${times}·${of}`;
  return over === 1 ? factor : `${factor}/${over}`;
}

function reduced(times: number, over: number, of: string): Size {
  const divisor = greatestDivisor(times, over);
  return { times: times / divisor, over: over / divisor, of };
}

const greatestDivisor = (a: number, b: number): number => (b === 0 ? a : greatestDivisor(b, a % b));
