import { describe, expect, it } from 'vitest';
import {
  compareRuns,
  summarizeDivergence,
  sumsPerToken,
  tokenDivergences,
  tokenLosses,
} from '../../../src/evaluation/divergence';
import { loadNative } from '../../../src/native';
import { Random } from '../../support/random';

const native = loadNative();

/** Sums of the addon over [rows, vocabulary] logits, in slices of a third of the vocabulary. */
async function sumsOf(logits: number[][], base: number[][], targets: number[]): Promise<Float64Array> {
  const sums = new Float64Array(logits.length * sumsPerToken);
  const vocabulary = logits[0]!.length;
  const step = Math.ceil(vocabulary / 3);
  for (let first = 0; first < vocabulary; first += step) {
    const slice = (rows: number[][]): Float32Array =>
      Float32Array.from(rows.flatMap((row) => row.slice(first, first + step)));
    const columns = Math.min(step, vocabulary - first);
    await native.accumulateLogits(slice(logits), slice(base), columns, first, Int32Array.from(targets), sums);
  }
  return sums;
}

/** ln p of each token, by the definition. */
function logProbabilities(logits: readonly number[]): number[] {
  const maximum = Math.max(...logits);
  const sum = logits.reduce((total, value) => total + Math.exp(value - maximum), 0);
  return logits.map((value) => value - maximum - Math.log(sum));
}

function divergenceByDefinition(logits: readonly number[], base: readonly number[]): number {
  const [q, p] = [logProbabilities(logits), logProbabilities(base)];
  return p.reduce((total, value, i) => total + Math.exp(value) * (value - q[i]!), 0);
}

const rows = (seed: number, count: number, vocabulary: number, scale: number): number[][] => {
  const random = new Random(seed);
  return Array.from({ length: count }, () => [...random.fill(vocabulary, () => random.normal() * scale)]);
};

describe('figures of a token', () => {
  it('are those of the distributions', async () => {
    const base = rows(1, 20, 700, 4);
    const logits = rows(2, 20, 700, 4);
    const targets = logits.map((_, i) => i * 31);
    const sums = await sumsOf(logits, base, targets);
    const losses = tokenLosses(sums);
    const { baseLosses, divergences, sameTop, deltaP } = tokenDivergences(sums);
    for (const [i, target] of targets.entries()) {
      const [q, p] = [logProbabilities(logits[i]!)[target]!, logProbabilities(base[i]!)[target]!];
      expect(losses[i]).toBeCloseTo(-q, 9);
      expect(baseLosses[i]).toBeCloseTo(-p, 9);
      expect(deltaP[i]).toBeCloseTo(Math.exp(q) - Math.exp(p), 9);
      expect(divergences[i]).toBeCloseTo(divergenceByDefinition(logits[i]!, base[i]!), 9);
      const top = (row: number[]): number => row.indexOf(Math.max(...row));
      expect(sameTop[i]).toBe(top(logits[i]!) === top(base[i]!) ? 1 : 0);
    }
  });

  it('are known for two tokens', async () => {
    const ln = Math.log;
    const sums = await sumsOf([[ln(1), ln(3), ln(4)]], [[ln(4), ln(2), ln(2)]], [0]);
    const { divergences, sameTop, deltaP } = tokenDivergences(sums);
    expect(tokenLosses(sums)[0]).toBeCloseTo(ln(8), 6);
    expect(divergences[0]).toBeCloseTo(0.5 * ln(4) + 0.25 * ln(2 / 3) + 0.25 * ln(1 / 2), 6);
    expect(sameTop[0]).toBe(0);
    expect(deltaP[0]).toBeCloseTo(1 / 8 - 1 / 2, 6);
  });

  it('do not see a constant that is added to all logits, and are never below 0', async () => {
    const base = rows(3, 40, 999, 3).map((row) => row.map((x) => Math.round(x * 64) / 64));
    const shifted = base.map((row, i) => row.map((x) => x + 4 * i));
    const { divergences, sameTop } = tokenDivergences(
      await sumsOf(
        shifted,
        base,
        base.map(() => 5),
      ),
    );
    expect(Math.min(...divergences)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...divergences)).toBeLessThan(1e-10);
    expect(sameTop).toEqual(new Float64Array(40).fill(1));
  });

  it('distinguish tiny divergences from none', async () => {
    const base = rows(4, 40, 999, 3);
    const random = new Random(6);
    const logits = base.map((row) => [...Float32Array.from(row, (x) => x + random.normal() * 1e-4)]);
    const { divergences } = tokenDivergences(
      await sumsOf(
        logits,
        base,
        base.map(() => 5),
      ),
    );
    for (const [i, divergence] of divergences.entries()) {
      expect(Math.abs(divergence - divergenceByDefinition(logits[i]!, base[i]!))).toBeLessThan(1e-10);
      expect(divergence).toBeGreaterThan(1e-9);
    }
  });
});

describe('figures that are not numbers', () => {
  const sums = (model: number[], base: number[], difference: number): Float64Array =>
    Float64Array.from([...model, ...base, difference]);

  it('a NaN in the sums is a NaN in every figure', () => {
    const broken = [NaN, NaN, 1, NaN];
    const sound = [2, 1.5, 1, 7];
    expect(tokenLosses(sums(broken, sound, 0))[0]).toBeNaN();
    for (const values of [sums(broken, sound, 0), sums(sound, broken, NaN)]) {
      const { divergences, sameTop, deltaP } = tokenDivergences(values);
      expect([divergences[0], sameTop[0], deltaP[0]]).toEqual([NaN, NaN, NaN]);
    }
  });

  it('a target outside all slices has no loss', () => {
    expect(tokenLosses(sums([2, 1.5, NaN, 7], [2, 1.5, NaN, 7], 0))[0]).toBeNaN();
  });

  it('a divergence further below 0 than rounding reaches is kept', () => {
    const of = (difference: number): number =>
      tokenDivergences(sums([0, 1, 0, 0], [0, 1, 0, 0], difference)).divergences[0]!;
    expect(of(-5e-10)).toBe(0);
    expect(of(-1e-6)).toBe(-1e-6);
    expect(of(3e-12)).toBe(3e-12);
  });

  it('a token that only the model rules out is infinitely far', async () => {
    const { divergences, deltaP } = tokenDivergences(await sumsOf([[-Infinity, 0, 0]], [[0, 0, 0]], [0]));
    expect(divergences[0]).toBe(Infinity);
    expect(deltaP[0]).toBeCloseTo(-1 / 3, 9);
  });
});

describe('figures of a run', () => {
  it('are the statistics of its tokens', () => {
    const divergences = Float64Array.from({ length: 1001 }, (_, i) => i / 1000);
    const ones = new Float64Array(1001).fill(1);
    const result = summarizeDivergence(
      { base: 'the original', baseHash: 'a' },
      ones.map((x) => 3 * x),
      {
        baseLosses: ones,
        divergences,
        sameTop: ones.map((_, i) => (i === 0 ? 0 : 1)),
        deltaP: ones.map((_, i) => (i % 2 === 0 ? 0.1 : -0.1)),
      },
    );
    expect(result.base).toBe('the original');
    expect(result.mean.value).toBeCloseTo(0.5, 12);
    expect([result.median, result.percentile99, result.percentile999, result.max]).toEqual([
      0.5,
      expect.closeTo(0.99, 12),
      expect.closeTo(0.999, 12),
      1,
    ]);
    expect(result.sameTopToken.value).toBeCloseTo(1000 / 1001, 12);
    expect(result.deltaPRms).toBeCloseTo(0.1, 12);
    expect(result.logPerplexityRatio).toEqual({ value: 2, standardError: 0 });
  });

  it('are compared token by token, divergences where both have them', () => {
    const a = { name: 'a', losses: Float64Array.of(3, 5), divergences: Float64Array.of(0.5, 0.25) };
    const b = { name: 'b', losses: Float64Array.of(2, 2), divergences: Float64Array.of(0.25, 0.25) };
    expect(compareRuns(a, b)).toEqual({
      a: 'a',
      b: 'b',
      scoredTokens: 2,
      loss: { value: 2, standardError: 1 },
      divergence: { value: 0.125, standardError: 0.125 },
    });
    expect(compareRuns(a, { name: 'b', losses: b.losses })).not.toHaveProperty('divergence');
    expect(() => compareRuns(a, { name: 'c', losses: Float64Array.of(1) })).toThrow('2 and 1 values');
  });
});
