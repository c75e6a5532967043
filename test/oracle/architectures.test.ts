import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { exportGguf } from '../../src/exporter/exportGguf';
import { openModel } from '../../src/layouts/openModel';
import { checkpoints } from '../support/checkpoints';
import { temporaryFolder } from '../support/files';
import { wideGemma3n } from '../support/gemmaCheckpoints';
import { hasOracle, llamaCpp } from '../support/llamaCpp';
import { Checkpoint } from '../support/reference/checkpoint';
import { referenceLogits } from '../support/reference/models';
import { writeCheckpoint } from '../support/writeCheckpoint';

const folder = temporaryFolder();
const tokens = Array.from({ length: 32 }, (_, i) => (i * 389 + 17) % 1024);

/** Largest difference of two sets of logits, and where it is. */
function farthest(ours: readonly ArrayLike<number>[], theirs: readonly ArrayLike<number>[]) {
  let worst = { difference: 0, position: 0, token: 0 };
  ours.forEach((row, position) => {
    for (let token = 0; token < row.length; token++) {
      const difference = Math.abs(row[token]! - theirs[position]![token]!);
      if (!(difference <= worst.difference)) worst = { difference, position, token };
    }
  });
  return worst;
}

/** Pearson's correlation of all logits: near 1 for a wrong constant, near 0 for rows in a wrong order. */
function correlation(ours: readonly ArrayLike<number>[], theirs: readonly ArrayLike<number>[]): number {
  const [a, b] = [ours, theirs].map((rows) => rows.flatMap((row) => Array.from(row))) as [number[], number[]];
  const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;
  const [meanA, meanB] = [mean(a), mean(b)];
  const covariance = mean(a.map((x, i) => (x - meanA) * (b[i]! - meanB)));
  return covariance / Math.sqrt(mean(a.map((x) => (x - meanA) ** 2)) * mean(b.map((x) => (x - meanB) ** 2)));
}

/** First position with a difference of at least `bound`: 0 for a wrong block, later for wrong positions or windows. */
function firstApart(
  ours: readonly ArrayLike<number>[],
  theirs: readonly ArrayLike<number>[],
  bound: number,
): number {
  return ours.findIndex((row, position) => !(farthest([row], [theirs[position]!]).difference < bound));
}

const specs = { ...checkpoints, gemma3n: wideGemma3n };

describe.skipIf(!hasOracle)('exported architectures in llama.cpp', () => {
  for (const [index, [name, spec]] of Object.entries(specs).entries()) {
    const { config, agreeing } = spec;
    it(`${name}: says what the definition of transformers says`, async () => {
      // Not named after the architecture: llama.cpp expects certain tokens of models that are called phi-3.
      const source = join(folder, `checkpoint-${index}`);
      await writeCheckpoint(source, spec);
      const expected = referenceLogits(new Checkpoint(source), tokens);
      const spread = Math.max(...expected.flatMap((row) => [...row.map(Math.abs)]));
      expect(spread).toBeGreaterThan(1); // nothing to compare otherwise
      const model = await openModel(source);
      // In float32, too: half precision rounds activations, which hides small mistakes. GELU stays coarse, since llama.cpp
      // looks it up in a table of half-precision numbers.
      for (const [type, bound] of [
        ['F32', JSON.stringify(config).includes('gelu') ? 1e-2 : 1e-4],
        ['F16', 1e-2],
      ] as const) {
        const out = `${source}-${type}.gguf`;
        await exportGguf(model, { type }, out);
        const { logits } = await llamaCpp('logits', { model: out, tokens });
        const { difference, position, token } = farthest(expected.slice(0, agreeing), logits);
        const what =
          `${type}, farthest at position ${position}, token ${token}; apart from position ` +
          `${firstApart(expected, logits, bound)}; correlation ${correlation(expected, logits).toFixed(4)}`;
        expect(difference, what).toBeLessThan(bound);
        if (agreeing !== undefined) expect(firstApart(expected, logits, bound)).toBe(agreeing);
      }
      await model.close();
    });
  }
});
