/**
 * Coordinate descent on the points and scales of lattice types as plain loops over one row after the other, in the addon's order of float32 sums: what
 * `descendBlocks` is held against.
 */
import { loadNative } from '../../src/native';
import type { GgmlQuantType } from '../../src/protocol/ggmlTypes';

const { fround } = Math;
const half = (value: number): number => loadNative().storedScales('F16', Float32Array.of(value))[0]!;

const [octetSize, blockSize] = [8, 256];

/** How eight weights are stored: points of the grid (two where they have four coordinates), signs, and whether levels are shifted down. */
interface Octet {
  readonly points: readonly number[];
  readonly signs: readonly number[];
  readonly shift: number;
}

interface Block {
  readonly d: number;
  /** Of sub-blocks, whose scales are d · (2 · code + 1). */
  readonly codes: readonly number[];
  readonly octets: readonly Octet[];
}

export interface PlainLattice {
  readonly name: GgmlQuantType;
  readonly points: number;
  readonly dims: 4 | 8;
  readonly group: number;
  readonly most: number;
  readonly signs: 'none' | 'even';
  /** Weights that share a shift; 0 where there are none. */
  readonly shared: 0 | 8 | 32;
  readonly read: (block: Uint8Array) => Block;
  /** A block with d = 1, scale codes of 0 and such points. */
  readonly write: (points: readonly number[]) => Uint8Array;
}

/** A Hessian by rows, in float32. */
type Hessian = readonly Float32Array[];

/** Coordinates of each point, as what they stand for, without signs and shifts; in the order of the type's points. */
export async function pointsOf(type: PlainLattice): Promise<readonly (readonly number[])[]> {
  const perBlock = blockSize / type.dims;
  const shift = type.shared === 0 ? 0 : 0.125;
  const found: number[][] = [];
  for (let first = 0; first < type.points; first += perBlock) {
    const points = Array.from({ length: perBlock }, (_, i) => first + i);
    const values = new Float32Array(blockSize);
    await loadNative().decode(type.name, type.write(points), values);
    for (let i = 0; i < blockSize; i += type.dims)
      found.push(Array.from(values.subarray(i, i + type.dims), (value) => value - shift));
  }
  return found;
}

/** The errors of eight weights count by their products with R·Rᵀ, R upper triangular. */
interface Curvature {
  readonly root: readonly number[][];
}

function curvatureOf(hessian: Hessian, column: number): Curvature {
  const root = Array.from({ length: octetSize }, () => new Array<number>(octetSize).fill(0));
  for (let k = octetSize - 1; k >= 0; k--)
    for (let j = k; j >= 0; j--) {
      let sum = hessian[column + j]![column + k]!;
      for (let i = k + 1; i < octetSize; i++) sum -= root[j]![i]! * root[k]![i]!;
      root[j]![k] = j === k ? Math.sqrt(sum) : sum / root[k]![k]!;
    }
  return { root };
}

/** The values of least error for some whose gradients are given. */
function optimumOf({ root }: Curvature, values: readonly number[], gradients: ArrayLike<number>): number[] {
  const middle: number[] = [];
  for (let k = octetSize - 1; k >= 0; k--) {
    let sum = gradients[k]!;
    for (let i = k + 1; i < octetSize; i++) sum -= root[k]![i]! * middle[i]!;
    middle[k] = sum / root[k]![k]!;
  }
  const steps: number[] = [];
  for (let k = 0; k < octetSize; k++) {
    let sum = middle[k]!;
    for (let i = 0; i < k; i++) sum -= root[i]![k]! * steps[i]!;
    steps[k] = sum / root[k]![k]!;
  }
  return values.map((value, k) => value - steps[k]!);
}

/** What weight i should be, from the errors of those before it. */
function targetOf(
  { root }: Curvature,
  optimum: readonly number[],
  errors: readonly number[],
  i: number,
): number {
  let target = optimum[i]!;
  for (let j = 0; j < i; j++) target += errors[j]! * (root[j]![i]! / root[i]![i]!);
  return target;
}

interface Branch {
  readonly cost: number;
  readonly value: number;
  readonly level: number;
  readonly sign: number;
}

/** A search for the points of least error: depth first, the cheapest branches first, 512 steps at most. */
class PlainSearch {
  best: number;
  found: Octet;
  private readonly errors: number[] = [];
  private readonly signs: number[] = [];
  private readonly chosen: number[] = [];
  private visits = 0;

  constructor(
    private readonly type: PlainLattice,
    private readonly points: readonly (readonly number[])[],
    private readonly curvature: Curvature,
    private readonly optimum: readonly number[],
    private readonly scale: number,
    octet: Octet,
    bound: number,
  ) {
    this.best = bound;
    this.found = octet;
    this.visit(0, this.all(), 0, octet.shift);
  }

  private all(): readonly number[] {
    return this.points.map((_, index) => index);
  }

  private visit(i: number, left: readonly number[], cost: number, shift: number): void {
    if (++this.visits > 512) return;
    const { dims } = this.type;
    for (const branch of this.branchesOf(i, left, cost, shift)) {
      if (!(branch.cost < this.best)) break;
      this.signs[i] = branch.sign;
      this.errors[i] = this.optimum[i]! - branch.value;
      const next = left.filter((point) => this.points[point]![i % dims] === branch.level);
      const endsPoint = (i + 1) % dims === 0;
      if (endsPoint) this.chosen[Math.floor(i / dims)] = next[0]!;
      if (i + 1 < octetSize) this.visit(i + 1, endsPoint ? this.all() : next, branch.cost, shift);
      else {
        this.best = branch.cost;
        this.found = { points: [...this.chosen], signs: [...this.signs], shift };
      }
    }
  }

  private branchesOf(i: number, left: readonly number[], cost: number, shift: number): Branch[] {
    const { signs, dims } = this.type;
    const target = targetOf(this.curvature, this.optimum, this.errors, i);
    const square = this.curvature.root[i]![i]! ** 2;
    const levels = [...new Set(left.map((point) => this.points[point]![i % dims]!))].sort((a, b) => a - b);
    const odd = this.signs.slice(0, i).reduce((sum, sign) => sum + sign, 0) % 2;
    const allowed = signs === 'none' ? [0] : i + 1 === octetSize ? [odd] : [0, 1];
    const branches = levels.flatMap((level) =>
      allowed.map((sign) => {
        const value = (1 - 2 * sign) * fround(this.scale * shifted(this.type, level, shift));
        const residual = target - value;
        return { cost: cost + residual * residual * square, value, level, sign };
      }),
    );
    return branches.sort((a, b) => a.cost - b.cost);
  }
}

const shifted = ({ shared }: PlainLattice, level: number, shift: number): number =>
  shared === 0 ? level : level + (shift === 0 ? 0.125 : -0.125);

interface GroupState {
  readonly octets: readonly Octet[];
  readonly errors: Float32Array;
  readonly gradients: Float32Array;
}

/** One row: its weights, errors (decoded − weight), and blocks. */
class PlainRow {
  readonly blocks: Block[];
  readonly errors: Float32Array;
  private gradients = new Float32Array(0);

  constructor(
    private readonly type: PlainLattice,
    private readonly points: readonly (readonly number[])[],
    private readonly hessian: Hessian,
    private readonly weights: Float32Array,
    stored: Uint8Array,
  ) {
    const bytes = (stored.length * blockSize) / weights.length;
    this.blocks = Array.from({ length: weights.length / blockSize }, (_, i) =>
      type.read(stored.subarray(i * bytes, (i + 1) * bytes)),
    );
    this.errors = this.decoded().map((value, i) => value - weights[i]!);
  }

  decoded(): Float32Array {
    return this.weights.map((_, column) => {
      const { octets } = this.blockAt(column);
      return this.valueOf(
        octets[Math.floor((column % blockSize) / octetSize)]!,
        column,
        this.scaleAt(column),
      );
    });
  }

  /** d·H·dᵀ. */
  loss(): number {
    return this.weights.reduce((sum, _, k) => sum + this.errors[k]! * this.gradientOf(k), 0);
  }

  improveBlock(first: number): void {
    this.gradients = Float32Array.from({ length: blockSize }, (_, i) => this.gradientOf(first + i));
    this.improveFactor(first);
    for (let i = 0; i < blockSize; i += this.type.group) this.improveGroup(first + i);
  }

  private gradientOf(k: number): number {
    let sum = 0;
    this.errors.forEach((error, j) => (sum = fround(sum + fround(error * this.hessian[j]![k]!))));
    return sum;
  }

  private blockAt(column: number): Block {
    return this.blocks[Math.floor(column / blockSize)]!;
  }

  private groupAt(column: number): number {
    return Math.floor((column % blockSize) / this.type.group);
  }

  private scaleAt(column: number, code = this.blockAt(column).codes[this.groupAt(column)]!): number {
    return fround(this.blockAt(column).d * (2 * code + 1));
  }

  /** What weight `column` of an octet stands for, without its scale. */
  private levelOf({ points, signs, shift }: Octet, column: number): number {
    const i = column % octetSize;
    const { dims } = this.type;
    const level = shifted(this.type, this.points[points[Math.floor(i / dims)]!]![i % dims]!, shift);
    return signs[i] === 1 ? -level : level;
  }

  private valueOf(octet: Octet, column: number, scale: number): number {
    return fround(scale * this.levelOf(octet, column));
  }

  /** Adds what the errors of columns from `column` on have changed by to gradients of columns from `first` on. */
  private add(gradients: Float32Array, first: number, column: number, steps: ArrayLike<number>): void {
    for (let k = 0; k < gradients.length; k++)
      for (let j = 0; j < steps.length; j++)
        gradients[k] = gradients[k]! + fround(steps[j]! * this.hessian[column + j]![first + k]!);
  }

  /** Sums of levels with gradients, and of levels with the Hessian. */
  private momentsOf(column: number, levels: readonly number[], gradients: ArrayLike<number>) {
    const products = new Float32Array(levels.length);
    this.add(products, column, column, levels);
    const sum = (of: ArrayLike<number>): number =>
      levels.reduce((total, level, i) => total + level * of[i]!, 0);
    return { la: sum(gradients), lhl: sum(products) };
  }

  /** The factor of a block by least squares. */
  private improveFactor(first: number): void {
    const block = this.blockAt(first);
    const levels = Array.from({ length: blockSize }, (_, i) => {
      const octet = block.octets[Math.floor(i / octetSize)]!;
      return fround((2 * block.codes[this.groupAt(i)]! + 1) * this.levelOf(octet, i));
    });
    const { la, lhl } = this.momentsOf(first, levels, this.gradients);
    const d = half(block.d + (lhl > 0 ? -la / lhl : 0));
    const x = fround(d - block.d);
    if (!(2 * (x * la) + x * x * lhl < 0)) return;
    this.blocks[first / blockSize] = { ...block, d };
    const steps = this.errors.slice(first, first + blockSize);
    block.octets.forEach((octet, k) => {
      for (let i = k * octetSize; i < (k + 1) * octetSize; i++) {
        const error = fround(
          this.valueOf(octet, first + i, this.scaleAt(first + i)) - this.weights[first + i]!,
        );
        steps[i] = error - steps[i]!;
        this.errors[first + i] = error;
      }
    });
    this.add(this.gradients, first, first, steps);
  }

  private improveGroup(column: number): void {
    const { group, shared, most } = this.type;
    const [block, at] = [Math.floor(column / blockSize), this.groupAt(column)];
    const inBlock = (column % blockSize) / octetSize;
    const slice = (values: Float32Array, from: number) => values.slice(from, from + group);
    let state: GroupState = {
      octets: this.blocks[block]!.octets.slice(inBlock, inBlock + group / octetSize),
      errors: slice(this.errors, column),
      gradients: slice(this.gradients, column % blockSize),
    };
    const tries = ['sweep', 'scale', ...(shared > octetSize ? ['shift'] : [])];
    for (const what of tries) {
      const own = this.blocks[block]!.codes[at]!;
      const code = what === 'scale' ? this.otherCode(column, state, own, most) : own;
      if (what === 'scale' && code === own) continue;
      const turned = state.octets.map((octet) => ({ ...octet, shift: 1 - octet.shift }));
      const from = what === 'shift' ? { ...state, octets: turned } : state;
      const tried = this.tried(column, from, this.scaleAt(column, code), what !== 'sweep');
      let change = 0;
      tried.errors.forEach((error, i) => {
        change += fround(error - state.errors[i]!) * (tried.gradients[i]! + state.gradients[i]!);
      });
      if (!(change < 0)) continue;
      state = tried;
      const { codes } = this.blocks[block]!;
      this.blocks[block] = { ...this.blocks[block]!, codes: codes.with(at, code) };
    }
    const steps = state.errors.map((error, i) => error - this.errors[column + i]!);
    this.errors.set(state.errors, column);
    const octets = this.blocks[block]!.octets.map((octet, i) => state.octets[i - inBlock] ?? octet);
    this.blocks[block] = { ...this.blocks[block]!, octets };
    this.add(this.gradients, block * blockSize, column, steps);
  }

  /** The scale code other than its own that is next to the best scale. */
  private otherCode(column: number, { octets, gradients }: GroupState, own: number, most: number): number {
    const levels = Array.from({ length: this.type.group }, (_, i) =>
      this.levelOf(octets[Math.floor(i / octetSize)]!, i),
    );
    const { la, lhl } = this.momentsOf(column, levels, gradients);
    const { d } = this.blockAt(column);
    if (!(lhl > 0) || d === 0) return own;
    const wanted = ((this.scaleAt(column) - la / lhl) / d - 1) / 2;
    const nearest = Math.round(Math.min(most, Math.max(0, wanted)));
    return nearest !== own ? nearest : Math.min(most, Math.max(0, own + (wanted < own ? -1 : 1)));
  }

  /** A group with another scale or shift, whose octets then get the points of least error, one after the other. */
  private tried(column: number, from: GroupState, scale: number, decodes: boolean): GroupState {
    const octets = [...from.octets];
    const errors = from.errors.slice();
    const gradients = from.gradients.slice();
    const set = (index: number, octet: Octet): void => {
      octets[index] = octet;
      const first = index * octetSize;
      const steps = errors.slice(first, first + octetSize).map((error, i) => {
        const at = column + first + i;
        errors[first + i] = this.valueOf(octet, at, scale) - this.weights[at]!;
        return errors[first + i]! - error;
      });
      this.add(gradients, column, column + first, steps);
    };
    if (decodes) octets.forEach((octet, index) => set(index, octet));
    octets.forEach((octet, index) => {
      const own = gradients.subarray(index * octetSize, (index + 1) * octetSize);
      set(index, this.nearest(octet, column + index * octetSize, own, scale));
    });
    return { octets, errors, gradients };
  }

  /** The points, signs and shift of least error where all other weights stay as they are. */
  private nearest(octet: Octet, column: number, gradients: Float32Array, scale: number): Octet {
    const { type, points } = this;
    const curvature = curvatureOf(this.hessian, column);
    const values = Array.from({ length: octetSize }, (_, i) => this.valueOf(octet, i, scale));
    const optimum = optimumOf(curvature, values, gradients);
    const errors: number[] = [];
    let bound = 0;
    values.forEach((value, i) => {
      bound += (targetOf(curvature, optimum, errors, i) - value) ** 2 * curvature.root[i]![i]! ** 2;
      errors.push(optimum[i]! - value);
    });
    const search = new PlainSearch(type, points, curvature, optimum, scale, octet, bound);
    if (type.shared !== octetSize) return search.found;
    const turned = { ...search.found, shift: 1 - search.found.shift };
    const other = new PlainSearch(type, points, curvature, optimum, scale, turned, search.best);
    return other.best < search.best ? other.found : search.found;
  }
}

/** What the blocks decode to after so many rounds of the descent, without damping. */
export async function plainLatticeDescent(
  type: PlainLattice,
  hessian: Hessian,
  weights: Float32Array,
  blocks: Uint8Array,
  rounds: number,
): Promise<Float32Array> {
  const points = await pointsOf(type);
  const columns = hessian.length;
  const count = weights.length / columns;
  const found = new Float32Array(weights.length);
  for (let row = 0; row < count; row++) {
    const part = <T extends Float32Array | Uint8Array>(values: T): T =>
      values.subarray((row * values.length) / count, ((row + 1) * values.length) / count) as T;
    const own = new PlainRow(type, points, hessian, part(weights), part(blocks));
    const [before, start] = [own.loss(), own.decoded()];
    for (let round = 0; round < rounds; round++)
      for (let first = 0; first < columns; first += blockSize) own.improveBlock(first);
    found.set(own.loss() < before ? own.decoded() : start, row * columns);
  }
  return found;
}
