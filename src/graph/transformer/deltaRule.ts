import type { Value } from '../onnxWriter';
import type { Ops } from '../ops';
import { hiddenScore } from './sequence';

/** Sizes of the heads of a gated delta rule, and of the windows that it goes through. */
export interface DeltaSizes {
  /** Tokens of a window. */
  readonly length: number;
  /**
   * Heads of values, `[a, b]`. They share those of queries and keys: `keyHeads` has the same number of one axis and 1 of the other.
   */
  readonly valueHeads: readonly [number, number];
  readonly keyHeads: readonly [number, number];
  /** Of queries, keys and values alike. */
  readonly size: number;
}

/** What the tokens of whole windows, one below the other, give. */
export interface DeltaInputs {
  /** `[n, heads of keys · size]`: queries, multiplied by their factor, and keys of length one. */
  readonly query: Value;
  readonly key: Value;
  /** `[n, heads of values · size]`. */
  readonly value: Value;
  /** `[n, heads of values]`: the logarithm of what is kept of the state, at most 0, and how much of an error is corrected. */
  readonly decay: Value;
  readonly rate: Value;
  /** The state before the first token, `[1, 1, a, b, size, size]`; zeros when absent. */
  readonly before?: Value | undefined;
}

/** Tokens that are processed at a time, a power of two: fewer make more steps, more make larger triangles. The fastest of 16 to 128 on the CPU. */
const largestChunk = 32;

/**
 * The gated delta rule, whose state of each head S `[size, size]` is updated token by token: S ← eᵍ S, S ← S + β k (v − Sᵀk)ᵀ, and gives Sᵀq.
 * Computed chunk by chunk (Yang et al. 2024, "Parallelizing Linear Transformers with the Delta Rule over Sequence Length" and "Gated Delta
 * Networks"): with the sums G of g inside a chunk, the corrections of its tokens are U = T V − T e^G K S, where T = (I + A)⁻¹ β and
 * A[i, j] = β[i] e^(G[i] − G[j]) k[i]·k[j] for j < i. Decays are differences of sums, at most 0 before the exponential, so that nothing
 * overflows.
 * @returns what each token gets, `[n, heads of values · size]`, and the state after the last one, as `before` has it.
 */
export function deltaRule(ops: Ops, sizes: DeltaSizes, inputs: DeltaInputs): { output: Value; after: Value } {
  const chunks = new Chunks(ops, sizes);
  const { query, key } = { query: chunks.ofKeys(inputs.query), key: chunks.ofKeys(inputs.key) };
  const value = chunks.ofValues(inputs.value);
  const turnedKey = ops.transpose(key, [0, 1, 2, 3, 5, 4]);
  const rate = chunks.ofNumbers(inputs.rate);
  const sums = chunks.summed(chunks.ofNumbers(inputs.decay));
  const between = chunks.decays(sums);
  const kept = ops.exp(sums);
  // T: what each correction takes of values and states, those of earlier tokens in the chunk taken into account.
  const overlaps = ops.mul(ops.mul(between, chunks.column(rate)), ops.matmul(key, turnedKey));
  const solved = ops.mul(chunks.inverse(overlaps), chunks.row(rate));
  const ofValues = ops.matmul(solved, value);
  const ofState = ops.matmul(ops.mul(solved, chunks.row(kept)), key);
  const last = ops.slice(sums, -1, chunks.size - 1, chunks.size);
  const written = ops.mul(turnedKey, chunks.row(ops.exp(ops.sub(last, sums))));
  const keptByChunk = ops.reshape(ops.exp(last), [0, 0, 0, 0, 1, 1]);
  const { corrections, states, after } = chunks.follow(inputs.before, {
    ...{ ofValues, ofState, written, kept: keptByChunk },
  });
  const inside = ops.matmul(ops.mul(between, ops.matmul(query, turnedKey)), corrections);
  const output = chunks.withStates(inside, ops.mul(query, chunks.column(kept)), states);
  return { output: chunks.joined(output), after };
}

/** What follows from a chunk alone; entries of the first axis are chunks. */
interface ChunkParts {
  /** `[chunks, windows, a, b, chunk, size]`: what corrections take of values and of the state. */
  readonly ofValues: Value;
  readonly ofState: Value;
  /** `[chunks, windows, a, b, size, chunk]`: how corrections are added to the state. */
  readonly written: Value;
  /** `[chunks, windows, a, b, 1, 1]`: of the state, after the chunk. */
  readonly kept: Value;
}

/** Windows in chunks of the same size, the last one filled up with tokens that change nothing: their keys are 0. */
class Chunks {
  /** Tokens of a chunk. */
  readonly size: number;
  /** Chunks of a window. */
  private readonly count: number;

  constructor(
    private readonly ops: Ops,
    private readonly sizes: DeltaSizes,
  ) {
    this.size = Math.min(largestChunk, 2 ** Math.ceil(Math.log2(sizes.length)));
    this.count = Math.ceil(sizes.length / this.size);
  }

  /** `[n, heads · size]` → `[chunks, windows, a, b, chunk, size]`. */
  ofKeys = (x: Value): Value => this.ofHeads(x, this.sizes.keyHeads, this.sizes.size);
  ofValues = (x: Value): Value => this.ofHeads(x, this.sizes.valueHeads, this.sizes.size);
  /** `[n, heads of values]` → `[chunks, windows, a, b, chunk]`. */
  ofNumbers = (x: Value): Value => {
    const apart = this.ofHeads(x, this.sizes.valueHeads, 1);
    return this.ops.reshape(apart, [0, 0, 0, 0, this.size]);
  };

  /** Numbers of tokens as a column or a row of a matrix. */
  column = (x: Value): Value => this.ops.reshape(x, [0, 0, 0, 0, this.size, 1]);
  row = (x: Value): Value => this.ops.reshape(x, [0, 0, 0, 0, 1, this.size]);

  /** Sums of numbers up to each token of a chunk. */
  summed = (x: Value): Value =>
    this.ops.matmul(
      x,
      this.table('sums', (from, to) => (from <= to ? 1 : 0)),
    );

  /** e^(G[i] − G[j]), 0 for j > i: `[chunks, windows, a, b, chunk, chunk]`. */
  decays(sums: Value): Value {
    const { ops } = this;
    const later = this.table('later', (i, j) => (j > i ? hiddenScore : 0));
    return ops.exp(ops.add(ops.sub(this.column(sums), this.row(sums)), later));
  }

  /**
   * (I + A)⁻¹ for the part of A below the diagonal. The inverse of blocks on the diagonal becomes that of blocks twice as large,
   * [P 0; R Q]⁻¹ = [P⁻¹ 0; −Q⁻¹ R P⁻¹ Q⁻¹]: as exact as solving row by row, which powers of A are not where keys are alike.
   */
  inverse(a: Value): Value {
    const { ops } = this;
    const identity = this.table('identity', (i, j) => (i === j ? 1 : 0));
    let found: Value = identity;
    for (let half = 1; half < this.size; half *= 2) {
      const below = ops.mul(
        a,
        this.table(`below ${half}`, (i, j) => belowDiagonal(i, j, half)),
      );
      const change = half === 1 ? below : ops.matmul(ops.matmul(found, below), found);
      found = ops.sub(found, change);
    }
    return found;
  }

  /** Goes through the chunks one after the other. @returns corrections of all chunks, and the states before each of them. */
  follow(before: Value | undefined, parts: ChunkParts) {
    const { ops } = this;
    const corrections: Value[] = [];
    const states: (Value | undefined)[] = [];
    let state = before;
    for (let chunk = 0; chunk < this.count; chunk++) {
      const own = (x: Value): Value => (this.count === 1 ? x : ops.slice(x, 0, chunk, chunk + 1));
      const wanted = own(parts.ofValues);
      const correction =
        state === undefined ? wanted : ops.sub(wanted, ops.matmul(own(parts.ofState), state));
      corrections.push(correction);
      states.push(state);
      const added = ops.matmul(own(parts.written), correction);
      state = state === undefined ? added : ops.add(ops.mul(state, own(parts.kept)), added);
    }
    return { corrections: ops.concat(corrections, 0), states, after: state! };
  }

  /** Adds what the states before each chunk give; the first chunk of a text has none. */
  withStates(inside: Value, query: Value, states: readonly (Value | undefined)[]): Value {
    const { ops, count } = this;
    const known = states.filter((state) => state !== undefined);
    const first = count - known.length;
    if (first === count) return inside;
    const from = (x: Value): Value => (first === 0 ? x : ops.slice(x, 0, first, count));
    const sum = ops.add(from(inside), ops.matmul(from(query), ops.concat(known, 0)));
    return first === 0 ? sum : ops.concat([ops.slice(inside, 0, 0, first), sum], 0);
  }

  /** `[chunks, windows, a, b, chunk, size]` → `[n, heads of values · size]`. */
  joined(x: Value): Value {
    const { ops, count, size: chunk } = this;
    const { length, size, valueHeads } = this.sizes;
    const width = valueHeads[0] * valueHeads[1] * size;
    const windows = ops.reshape(ops.transpose(x, [1, 0, 4, 2, 3, 5]), [-1, count * chunk, width]);
    const own = count * chunk === length ? windows : ops.slice(windows, 1, 0, length);
    return ops.reshape(own, [-1, width]);
  }

  private ofHeads(x: Value, [a, b]: readonly [number, number], size: number): Value {
    const { ops, count, size: chunk } = this;
    const windows = ops.reshape(x, [-1, this.sizes.length, a * b * size]);
    const missing = count * chunk - this.sizes.length;
    const filled = missing === 0 ? windows : ops.pad(windows, 1, 3, 0, missing);
    return ops.transpose(ops.reshape(filled, [-1, count, chunk, a, b, size]), [1, 0, 3, 4, 2, 5]);
  }

  private table(name: string, entry: (row: number, column: number) => number): Value {
    const { size } = this;
    const values = Float32Array.from({ length: size * size }, (_, i) =>
      entry(Math.floor(i / size), i % size),
    );
    return this.ops.graph.table(`chunk ${name}`, [size, size], values);
  }
}

/** 1 for entries of blocks of so many rows that lie below a block on the diagonal, and beside the next one. */
const belowDiagonal = (row: number, column: number, size: number): number => {
  const [below, beside] = [Math.floor(row / size), Math.floor(column / size)];
  return below % 2 === 1 && beside === below - 1 ? 1 : 0;
};
