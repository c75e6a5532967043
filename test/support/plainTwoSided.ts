/** Coordinate descent on tr(G·D·H·Dᵀ) as plain loops: what `descendBothSides` is held against, bit for bit. */
import { panel, plainRows, type PlainRow, type PlainType, type Proposal } from './plainDescent';

const { fround } = Math;

/** A round that gains less, relative to the error, is the last. */
const leastGain = 1e-3;

/** Rows whose gradients are found together, and those of them that are changed as if the others stayed. */
const [slabRows, together] = [64, 16];

/** Rows in the order in which they are changed: those that are changed together are far from each other. */
function spreadRows(rows: number): number[] {
  const apart = Math.ceil(rows / together);
  return Array.from({ length: apart }, (_, first) => first).flatMap((first) =>
    Array.from({ length: Math.ceil((rows - first) / apart) }, (_, i) => first + i * apart),
  );
}

/** A row, and what the errors of others do to it: G[i, r] / G[i, i]. */
interface CoupledRow {
  readonly row: PlainRow;
  readonly index: number;
  readonly weight: number;
  products: Float32Array<ArrayBuffer>;
}

class PlainTwoSided {
  gained = 0;

  constructor(
    private readonly type: PlainType,
    private readonly covariance: Float64Array,
    /** In their order. */
    readonly rows: readonly CoupledRow[],
  ) {}

  private share(of: CoupledRow, other: CoupledRow): number {
    if (of === other) return 1;
    return fround(this.covariance[of.index * this.rows.length + other.index]! / of.weight);
  }

  /** sums += Σ share · products of some rows, the row itself left out. */
  private addShares(
    sums: Float32Array,
    of: CoupledRow,
    others: readonly (readonly [CoupledRow, ArrayLike<number>])[],
  ): void {
    for (const [other, values] of others) {
      if (other === of) continue;
      const share = this.share(of, other);
      for (let k = 0; k < sums.length; k++) sums[k] = sums[k]! + fround(share * values[k]!);
    }
  }

  /** Turns all rows to a panel. */
  start(first: number, end: number): void {
    for (const own of this.rows) {
      own.row.startPanel(first, end);
      own.products = own.row.gradients;
    }
  }

  findGradients(of: CoupledRow): void {
    const sums = new Float32Array(of.products.length);
    for (const other of this.rows) {
      const share = this.share(of, other);
      sums.forEach((sum, k) => (sums[k] = sum + fround(share * other.products[k]!)));
    }
    of.row.gradients = sums;
  }

  measured(first: number): number {
    return this.rows.reduce((sum, own) => {
      this.findGradients(own);
      return (
        sum +
        own.row.gradients.reduce((loss, value, k) => {
          return loss + own.weight * own.row.errors[first + k]! * value;
        }, 0)
      );
    }, 0);
  }

  improve(first: number, end: number): void {
    const { block, group, most } = this.type;
    for (let at = 0; at < this.rows.length; at += slabRows) {
      const slab = this.rows.slice(at, at + slabRows);
      slab.forEach((own) => this.findGradients(own));
      const before = slab.map(({ row }) => row.errors.slice(first, end));
      for (let column = first; column < end; column += block) {
        if (most > 1) this.improveFactors(slab, column);
        for (let i = 0; i < block; i += group) this.improveGroup(slab, column + i);
      }
      slab.forEach((own, i) => {
        const moved = before[i]!.map((error, k) => own.row.errors[first + k]! - error);
        const sums = new Float32Array(end - first);
        own.row.addProducts(sums, first, first, moved);
        own.products = own.products.map((value, k) => value + sums[k]!);
      });
    }
  }

  private improveFactors(slab: readonly CoupledRow[], column: number): void {
    const proposals = slab.map(({ row }) => row.proposeFactors(column));
    const { steps } = this.settled(slab, column, proposals);
    this.addSteps(slab, column, steps);
  }

  private improveGroup(slab: readonly CoupledRow[], column: number): void {
    const gradients = slab.map(({ row }) => row.gradientsOf(column));
    const steps: Float32Array[] = [];
    for (let at = 0; at < slab.length; at += together) {
      const some = slab.slice(at, at + together);
      const proposals = some.map(({ row }, i) => row.proposeGroup(column, gradients[at + i]!.slice()));
      const settled = this.settled(some, column, proposals);
      steps.push(...settled.steps);
      slab.forEach((own, i) => {
        this.addShares(
          gradients[i]!,
          own,
          some.map((other, k) => [other, settled.products[k]!] as const),
        );
      });
    }
    this.addSteps(slab, column, steps);
  }

  /** Keeps proposals that reduce the error together with those before them. Returns the steps of all rows, zeros for those that keep nothing. */
  private settled(rows: readonly CoupledRow[], column: number, proposals: readonly Proposal[]) {
    const products = rows.map(({ row }, i) => {
      const sums = new Float32Array(proposals[i]!.steps.length);
      row.addProducts(sums, column, column, proposals[i]!.steps);
      return sums;
    });
    const steps = rows.map((own, i) => {
      const proposal = proposals[i]!;
      let { change } = proposal;
      for (let r = 0; r < i; r++) {
        const cross = proposal.steps.reduce(
          (sum, step, k) => fround(sum + fround(step * products[r]![k]!)),
          0,
        );
        change += 2 * this.share(own, rows[r]!) * cross;
      }
      if (change < 0 && proposal.change < 0) {
        proposal.keep();
        this.gained -= own.weight * change;
        return proposal.steps;
      }
      products[i]!.fill(0);
      return new Float32Array(proposal.steps.length);
    });
    return { steps, products };
  }

  private addSteps(slab: readonly CoupledRow[], column: number, steps: readonly Float32Array[]): void {
    slab.forEach((own, i) => {
      const mixed = steps[i]!.slice();
      this.addShares(
        mixed,
        own,
        slab.map((other, k) => [other, steps[k]!] as const),
      );
      own.row.addSteps(column, mixed);
    });
  }
}

/**
 * What the blocks decode to after the descent on tr(G·D·H·Dᵀ), row after row in each panel of columns.
 * @param covariance G, `[rows, rows]`, damped.
 */
export function plainTwoSidedDescent(
  type: PlainType,
  hessian: readonly Float32Array[],
  covariance: Float64Array,
  weights: Float32Array,
  decoded: Float32Array,
  blocks: Uint8Array,
  rounds: number,
): Float32Array {
  const columns = hessian.length;
  const rows = plainRows(type, hessian, weights, decoded, blocks);
  const coupled = spreadRows(rows.length).map((index) => ({
    ...{ row: rows[index]!, index, weight: covariance[index * (rows.length + 1)]! },
    products: new Float32Array(0),
  }));
  const descent = new PlainTwoSided(type, covariance, coupled);
  const overPanels = (work: (first: number, end: number) => void): void => {
    for (let first = 0; first < columns; first += panel) {
      const end = Math.min(first + panel, columns);
      descent.start(first, end);
      work(first, end);
    }
  };
  const measured = (): number => {
    let sum = 0;
    overPanels((first) => (sum += descent.measured(first)));
    return sum;
  };
  const before = measured();
  let error = before;
  for (let round = 0; round < rounds; round++) {
    descent.gained = 0;
    overPanels((first, end) => descent.improve(first, end));
    if (descent.gained <= leastGain * error) break;
    error -= descent.gained;
  }
  if (!(measured() < before)) return decoded.slice();
  return Float32Array.from(rows.flatMap((row) => [...row.decoded()]));
}
