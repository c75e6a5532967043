import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { exportGguf } from '../../src/exporter/exportGguf';
import { openModel } from '../../src/model/openModel';
import { checkpoints } from '../support/checkpoints';
import { temporaryFolder } from '../support/files';
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

describe.skipIf(!hasOracle)('exported architectures in llama.cpp', () => {
  for (const [index, [name, { config }]] of Object.entries(checkpoints).entries()) {
    it(`${name}: says what the definition of transformers says`, async () => {
      // Not named after the architecture: llama.cpp expects certain tokens of models that are called phi-3.
      const source = join(folder, `checkpoint-${index}`);
      await writeCheckpoint(source, name);
      const expected = referenceLogits(new Checkpoint(source), tokens);
      const spread = Math.max(...expected.flatMap((row) => [...row.map(Math.abs)]));
      expect(spread).toBeGreaterThan(1); // nothing to compare otherwise
      const model = await openModel(source);
      // In float32, too: half precision rounds activations, which hides small mistakes. GELU stays coarse, since llama.cpp
      // looks it up in a table of half-precision numbers.
      for (const [type, bound] of [
        ['F32', JSON.stringify(config).includes('gelu') ? 1e-2 : 1e-3],
        ['F16', 1e-2],
      ] as const) {
        const out = `${source}-${type}.gguf`;
        await exportGguf(model, { type }, out);
        const { logits } = await llamaCpp('logits', { model: out, tokens });
        const { difference, position, token } = farthest(expected, logits);
        expect(difference, `${type}, position ${position}, token ${token}`).toBeLessThan(bound);
      }
      await model.close();
    });
  }
});
