import type { TensorTable } from '../src/protocol/tensorTable';

/** What some tensors have together. */
export interface Totals {
  readonly tensors: number;
  readonly parameters: number;
  readonly bytes: number;
  /** Of its tensors, bits per weight; NaN for tensors without weights. */
  readonly minBits: number;
  readonly maxBits: number;
  /** What all of them share. */
  readonly dtype?: string | undefined;
  readonly shape?: string | undefined;
}

/** Sums and extremes over tensors, which have few kinds: each is looked at once. */
export class KindTotals {
  private readonly shapes: readonly string[];

  constructor(private readonly table: TensorTable) {
    this.shapes = table.kinds.map(({ shape }) => shape.join(' × '));
  }

  of(members: ArrayLike<number>): Totals {
    const { table } = this;
    const counts = new Map<number, number>();
    for (let at = 0; at < members.length; at++) {
      const kind = table.kindOf(members[at]!);
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
    const kinds = [...counts.keys()];
    return { tensors: members.length, ...this.sums(counts), ...this.common(kinds) };
  }

  private sums(counts: ReadonlyMap<number, number>) {
    let [parameters, bytes, minBits, maxBits] = [0, 0, NaN, NaN];
    for (const [kind, count] of counts) {
      const { elements, byteLength } = this.table.kinds[kind]!;
      parameters += count * elements;
      bytes += count * byteLength;
      if (elements === 0) continue;
      const bits = (8 * byteLength) / elements;
      minBits = minBits <= bits ? minBits : bits;
      maxBits = maxBits >= bits ? maxBits : bits;
    }
    return { parameters, bytes, minBits, maxBits };
  }

  private common(kinds: readonly number[]): Pick<Totals, 'dtype' | 'shape'> {
    const [dtypes, shapes] = [
      kinds.map((kind) => this.table.kinds[kind]!.dtype),
      kinds.map((kind) => this.shapes[kind]),
    ];
    const same = <T>(values: readonly T[]): T | undefined =>
      values.every((value) => value === values[0]) ? values[0] : undefined;
    return { dtype: same(dtypes), shape: same(shapes) };
  }
}
