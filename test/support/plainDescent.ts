/**
 * Coordinate descent on the codes and scales of ggml blocks as plain loops over one weight after the other, in the addon's order of float32
 * sums: what `descendBlocks` is held against. The rows are those that the addon works on together, at most 64.
 */
import { loadNative } from '../../src/native';

const { fround } = Math;
const half = (value: number): number => loadNative().storedScales('F16', Float32Array.of(value))[0]!;

/** How a type stores scales: with one code (low = high), d and m are those of the block; else they are factors of codes. */
export interface PlainType {
  readonly block: number;
  readonly group: number;
  /** Values of the codes of weights, by code, in ascending order. */
  readonly levels: readonly number[];
  readonly hasZeros: boolean;
  readonly most: number;
  /** Factors of a block, and the codes of its groups. */
  readonly read: (block: Uint8Array) => PlainScales;
}

export interface PlainScales {
  readonly d: number;
  readonly m: number;
  readonly scales: readonly number[];
  readonly minimums: readonly number[];
}

/** What changes x of a scale and y of a zero do to the error: 2 (x la + y sa) + x² lhl + 2 x y lhs + y² shs. */
interface Moments {
  readonly la: number;
  readonly sa: number;
  readonly lhl: number;
  readonly lhs: number;
  readonly shs: number;
}

const changeOf = ({ la, sa, lhl, lhs, shs }: Moments, x: number, y: number): number =>
  2 * (x * la + y * sa) + x * x * lhl + 2 * x * y * lhs + y * y * shs;

const scaleOf = ({ d, scales }: PlainScales, group: number): number => fround(d * scales[group]!);
const zeroOf = ({ m, minimums }: PlainScales, group: number): number => fround(m * minimums[group]!);

function bestScale({ la, sa, lhl, lhs, shs }: Moments, hasZeros: boolean): number {
  const determinant = lhl * shs - lhs * lhs;
  if (hasZeros && determinant > 1e-9 * lhl * shs) return (lhs * sa - shs * la) / determinant;
  return lhl > 0 ? -la / lhl : 0;
}

const bestZero = ({ sa, lhs, shs }: Moments, x: number): number => (shs > 0 ? -(sa + x * lhs) / shs : 0);

const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));

/** The scales with other factors: d as given, m the best for it. */
function withFactor(type: PlainType, scales: PlainScales, d: number, moments: Moments): PlainScales {
  const m = type.hasZeros ? half(scales.m + bestZero(moments, fround(d - scales.d))) : scales.m;
  return { ...scales, d, m };
}

const fitFactors = (type: PlainType, scales: PlainScales, moments: Moments): PlainScales =>
  withFactor(type, scales, half(scales.d + bestScale(moments, type.hasZeros)), moments);

/** The scales with another code of a group and the minimum that is best for it, and what both change. */
function withCode(type: PlainType, scales: PlainScales, group: number, code: number, moments: Moments) {
  const to = (values: readonly number[], value: number): number[] => values.with(group, value);
  let found = { ...scales, scales: to(scales.scales, clamp(code, 0, type.most)) };
  const x = fround(scaleOf(found, group) - scaleOf(scales, group));
  if (type.hasZeros && scales.m !== 0) {
    const minimum = clamp((zeroOf(scales, group) + bestZero(moments, x)) / scales.m, 0, type.most);
    found = { ...found, minimums: to(scales.minimums, Math.round(minimum)) };
  }
  const y = fround(zeroOf(found, group) - zeroOf(scales, group));
  return { found, change: changeOf(moments, x, y) };
}

function fitGroup(type: PlainType, scales: PlainScales, group: number, moments: Moments): PlainScales {
  if (type.most === 1) return fitFactors(type, scales, moments);
  if (scales.d === 0) return scales;
  const gain = bestScale(moments, type.hasZeros && scales.m !== 0);
  const low = Math.floor(clamp((scaleOf(scales, group) + gain) / scales.d, 0, type.most));
  let best = withCode(type, scales, group, scales.scales[group]!, moments);
  for (const code of [low, low + 1]) {
    const candidate = withCode(type, scales, group, code, moments);
    if (candidate.change < best.change) best = candidate;
  }
  return best.found;
}

function moveGroup(type: PlainType, scales: PlainScales, group: number, by: number, moments: Moments) {
  if (type.most === 1) return withFactor(type, scales, half(scales.d * (1 + by / 64)), moments);
  return withCode(type, scales, group, scales.scales[group]! + by, moments).found;
}

interface Weights {
  readonly codes: number[];
  readonly errors: Float32Array;
}

/** What would change in some columns of a row. */
export interface Proposal {
  readonly steps: Float32Array;
  /** Of the error of the row, all others being as they are. */
  readonly change: number;
  readonly keep: () => void;
}

/** One row: its weights, errors (decoded − weight), codes and scales of blocks. */
export class PlainRow {
  readonly codes: number[];
  readonly scales: PlainScales[];
  readonly errors: Float32Array;
  gained = 0;
  /** D·H of the panel, and with other rows what these add. */
  gradients = new Float32Array(0);
  private first = 0;

  constructor(
    private readonly type: PlainType,
    private readonly hessian: readonly Float32Array[],
    private readonly weights: Float32Array,
    decoded: Float32Array,
    blocks: Uint8Array,
  ) {
    const bytes = (blocks.length * type.block) / weights.length;
    this.scales = Array.from({ length: weights.length / type.block }, (_, i) =>
      type.read(blocks.subarray(i * bytes, (i + 1) * bytes)),
    );
    this.codes = Array.from(weights, (weight, i) =>
      this.nearest(fround(weight + fround(decoded[i]! - weight)), this.scalesAt(i), this.groupAt(i)),
    );
    this.errors = weights.map((weight, i) => this.valueOf(this.codes[i]!, i) - weight);
  }

  /** d·H·dᵀ. */
  loss(): number {
    let sum = 0;
    for (let k = 0; k < this.weights.length; k++) sum += this.errors[k]! * this.gradientOf(k);
    return sum;
  }

  startPanel(first: number, end: number): void {
    this.first = first;
    this.gradients = Float32Array.from({ length: end - first }, (_, i) => this.gradientOf(first + i));
  }

  improvePanel(): void {
    const { block, group, most } = this.type;
    const [first, end] = [this.first, this.first + this.gradients.length];
    const improve = (column: number, { steps, change, keep }: Proposal): void => {
      if (!(change < 0)) return;
      keep();
      this.gained -= change;
      this.addSteps(column, steps);
    };
    for (let column = first; column < end; column += block) {
      if (most > 1) improve(column, this.proposeFactors(column));
      for (let i = 0; i < block; i += group) improve(column + i, this.proposeGroup(column + i));
    }
  }

  decoded(): Float32Array {
    return this.weights.map((_, i) => this.valueOf(this.codes[i]!, i));
  }

  private gradientOf(k: number): number {
    let sum = 0;
    this.errors.forEach((error, j) => (sum = fround(sum + fround(error * this.hessian[j]![k]!))));
    return sum;
  }

  private scalesAt(column: number): PlainScales {
    return this.scales[Math.floor(column / this.type.block)]!;
  }

  private groupAt(column: number): number {
    return Math.floor((column % this.type.block) / this.type.group);
  }

  private valueOf(code: number, column: number, scales = this.scalesAt(column)): number {
    const group = this.groupAt(column);
    const value = fround(this.type.levels[code]! * scaleOf(scales, group));
    return this.type.hasZeros ? fround(value + zeroOf(scales, group)) : value;
  }

  /** The code nearest to a value; halfway between integers the even one, between others the lower one. */
  private nearest(value: number, scales: PlainScales, group: number): number {
    const { levels, hasZeros } = this.type;
    const scale = scaleOf(scales, group);
    const above = hasZeros ? fround(value - zeroOf(scales, group)) : value;
    const quotient = scale === 0 ? 0 : fround(above / scale);
    return levels.reduce((best, level, code) => {
      const [own, least] = [Math.abs(quotient - level), Math.abs(quotient - levels[best]!)];
      return own < least || (own === least && level % 2 === 0 && Number.isInteger(level)) ? code : best;
    }, 0);
  }

  /** Adds what errors of some weights times the Hessian are, at columns from `first` on. */
  addProducts(to: Float32Array, first: number, column: number, steps: ArrayLike<number>): void {
    for (let i = 0; i < to.length; i++)
      for (let j = 0; j < steps.length; j++)
        to[i] = to[i]! + fround(steps[j]! * this.hessian[column + j]![first + i]!);
  }

  /** Adds what the errors of some weights have changed by to the gradients of the panel. */
  addSteps(column: number, steps: ArrayLike<number>): void {
    this.addProducts(this.gradients, this.first, column, steps);
  }

  gradientsOf(column: number): Float32Array<ArrayBuffer> {
    return this.gradients.slice(column - this.first, column - this.first + this.type.group);
  }

  /** @param gradients of the group. */
  proposeGroup(column: number, gradients = this.gradientsOf(column)): Proposal {
    const { type } = this;
    const { group } = type;
    const at = this.groupAt(column);
    const block = Math.floor(column / type.block);
    let found = this.scales[block]!;
    let changed = 0;
    let state: Weights = {
      codes: this.codes.slice(column, column + group),
      errors: this.errors.slice(column, column + group),
    };
    const tries: readonly ((scales: PlainScales, moments: Moments) => PlainScales)[] = [
      (scales) => scales,
      (scales, moments) => fitGroup(type, scales, at, moments),
      (scales, moments) => moveGroup(type, scales, at, -1, moments),
      (scales, moments) => moveGroup(type, scales, at, 1, moments),
    ];
    for (const change of tries) {
      const scales = change(found, this.momentsOf(column, state.codes, gradients));
      const tried = this.tried(column, state, gradients, scales);
      let gain = 0;
      tried.errors.forEach((error, i) => {
        gain += fround(error - state.errors[i]!) * (tried.gradients[i]! + gradients[i]!);
      });
      if (!(gain < 0)) continue;
      changed += gain;
      found = scales;
      gradients = tried.gradients;
      state = tried;
    }
    return {
      ...{ steps: state.errors.map((error, i) => error - this.errors[column + i]!), change: changed },
      keep: () => {
        this.scales[block] = found;
        this.errors.set(state.errors, column);
        state.codes.forEach((code, i) => (this.codes[column + i] = code));
      },
    };
  }

  /** The codes of a group with other scales, each then replaced twice by the one nearest to its optimum. */
  private tried(column: number, from: Weights, before: Float32Array, scales: PlainScales) {
    const { group } = this.type;
    const [codes, errors, gradients] = [from.codes.slice(), from.errors.slice(), before.slice()];
    const set = (i: number, code: number): void => {
      codes[i] = code;
      const error = fround(this.valueOf(code, column + i, scales) - this.weights[column + i]!);
      const step = fround(error - errors[i]!);
      errors[i] = error;
      for (let k = 0; k < group; k++)
        gradients[k] = gradients[k]! + fround(step * this.hessian[column + i]![column + k]!);
    };
    for (let i = 0; i < group; i++) set(i, codes[i]!);
    for (let sweep = 0; sweep < 2; sweep++)
      for (let i = 0; i < group; i++) {
        const value = fround(this.weights[column + i]! + errors[i]!);
        const inverse = fround(1 / this.hessian[column + i]![column + i]!);
        const optimum = fround(value - fround(gradients[i]! * inverse));
        set(i, this.nearest(optimum, scales, this.groupAt(column)));
      }
    return { codes, errors, gradients };
  }

  private momentsOf(column: number, codes: readonly number[], gradients: Float32Array): Moments {
    const { group, levels } = this.type;
    let [la, sa, lhl, lhs, shs] = [0, 0, 0, 0, 0];
    for (let k = 0; k < group; k++) {
      const level = levels[codes[k]!]!;
      let product = 0;
      for (let j = 0; j < group; j++)
        product = fround(product + fround(levels[codes[j]!]! * this.hessian[column + j]![column + k]!));
      la = fround(la + fround(level * gradients[k]!));
      sa = fround(sa + gradients[k]!);
      lhl = fround(lhl + fround(level * product));
      lhs = fround(lhs + product);
    }
    for (let k = 0; k < group; k += 4)
      for (let j = 0; j < group; j++)
        for (let q = k; q < k + 4; q++) shs += this.hessian[column + j]![column + q]!;
    return { la, sa, lhl, lhs, shs };
  }

  /** Both factors of a block by least squares. */
  proposeFactors(column: number): Proposal {
    const { type } = this;
    const block = column / type.block;
    const scales = this.scales[block]!;
    const moments = this.factorMoments(column);
    const found = fitFactors(type, scales, moments);
    const errors = Float32Array.from({ length: type.block }, (_, i) => {
      return this.valueOf(this.codes[column + i]!, column + i, found) - this.weights[column + i]!;
    });
    return {
      steps: errors.map((error, i) => error - this.errors[column + i]!),
      change: changeOf(moments, fround(found.d - scales.d), fround(found.m - scales.m)),
      keep: () => {
        this.scales[block] = found;
        this.errors.set(errors, column);
      },
    };
  }

  /** Moments of d, whose levels are scales · levels, and of m, whose levels are minimums. */
  private factorMoments(column: number): Moments {
    const { block, levels } = this.type;
    const { scales, minimums } = this.scalesAt(column);
    const places = Array.from({ length: block }, (_, i) => i);
    const own = places.map((i) => fround(scales[this.groupAt(i)]! * levels[this.codes[column + i]!]!));
    const minimum = places.map((i) => minimums[this.groupAt(i)]!);
    const gradient = (i: number): number => this.gradients[column - this.first + i]!;
    const product = (of: readonly number[], k: number): number =>
      of.reduce((sum, level, j) => fround(sum + fround(level * this.hessian[column + j]![column + k]!)), 0);
    const products = places.map((k) => product(own, k));
    const sum = (of: (i: number) => number): number => places.reduce((total, i) => total + of(i), 0);
    return {
      la: sum((i) => own[i]! * gradient(i)),
      sa: sum((i) => minimum[i]! * gradient(i)),
      lhl: sum((i) => own[i]! * products[i]!),
      lhs: sum((i) => minimum[i]! * products[i]!),
      shs: sum((i) => minimum[i]! * product(minimum, i)),
    };
  }
}

/** Columns whose gradients are found together, and the gain of a round, beside the error, below which the last round was. */
export const [panel, leastGain] = [256, 1e-4];

export function plainRows(
  type: PlainType,
  hessian: readonly Float32Array[],
  weights: Float32Array,
  decoded: Float32Array,
  blocks: Uint8Array,
): PlainRow[] {
  const count = weights.length / hessian.length;
  const part = <T extends Float32Array | Uint8Array>(values: T, row: number): T =>
    values.subarray((row * values.length) / count, ((row + 1) * values.length) / count) as T;
  return Array.from({ length: count }, (_, row) => {
    return new PlainRow(type, hessian, part(weights, row), part(decoded, row), part(blocks, row));
  });
}

/** What the blocks decode to after the descent, without damping. @param hessian in float32, row by row. */
export function plainDescent(
  type: PlainType,
  hessian: readonly Float32Array[],
  weights: Float32Array,
  decoded: Float32Array,
  blocks: Uint8Array,
  rounds: number,
): Float32Array {
  const columns = hessian.length;
  const rows = plainRows(type, hessian, weights, decoded, blocks);
  const before = rows.map((row) => row.loss());
  let error = before.reduce((sum, loss) => sum + loss, 0);
  for (let round = 0; round < rounds; round++) {
    rows.forEach((row) => (row.gained = 0));
    for (let first = 0; first < columns; first += panel)
      rows.forEach((row) => {
        row.startPanel(first, Math.min(first + panel, columns));
        row.improvePanel();
      });
    const gained = rows.reduce((sum, row) => sum + row.gained, 0);
    if (gained <= leastGain * error) break;
    error -= gained;
  }
  const found = decoded.slice();
  rows.forEach((row, i) => {
    if (row.loss() < before[i]!) found.set(row.decoded(), i * columns);
  });
  return found;
}
