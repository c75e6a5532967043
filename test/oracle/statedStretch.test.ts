import { join } from 'node:path';
import { expect, it } from 'vitest';
import { exportGguf } from '../../src/exporter/exportGguf';
import { openModel } from '../../src/layouts/openModel';
import { ownLogits } from '../support/decoderLogits';
import { temporaryFolder } from '../support/files';
import { hasOracle, llamaCpp } from '../support/llamaCpp';
import { writeCheckpoint } from '../support/writeCheckpoint';

const folder = temporaryFolder();
const tokens = Array.from({ length: 32 }, (_, i) => (i * 389 + 17) % 1024);

/** Logits of a file by llama.cpp and by the engine. */
async function logitsOf(source: string, out: string, overrideKeyValues: readonly string[]) {
  const model = await openModel(source);
  await exportGguf(model, { type: 'F32', overrideKeyValues }, out);
  await model.close();
  const { logits } = await llamaCpp('logits', { model: out, tokens });
  return { theirs: logits, own: await ownLogits(out, tokens) };
}

const farthest = (a: readonly ArrayLike<number>[], b: readonly ArrayLike<number>[]): number =>
  a.reduce(
    (most, row, i) => Math.max(most, ...Array.from(row, (value, token) => Math.abs(value - b[i]![token]!))),
    0,
  );

it.skipIf(!hasOracle)('the ramp of YaRN that a file of mistral3 states is that of llama.cpp', async () => {
  const source = join(folder, 'mistral3');
  await writeCheckpoint(source, 'mistral3');
  const usual = await logitsOf(source, join(folder, 'usual.gguf'), []);
  const stated = await logitsOf(source, join(folder, 'stated.gguf'), [
    'mistral3.rope.scaling.yarn_beta_fast=float:4',
    'mistral3.rope.scaling.yarn_beta_slow=float:0.01',
  ]);
  expect(farthest(stated.theirs, usual.theirs)).toBeGreaterThan(0.1);
  expect(farthest(usual.own, usual.theirs)).toBeLessThan(1e-4);
  expect(farthest(stated.own, stated.theirs)).toBeLessThan(1e-4);
});

it.skipIf(!hasOracle)(
  'positions are stretched as llama.cpp stretches them by what older files state',
  async () => {
    const source = join(folder, 'llama');
    await writeCheckpoint(source, 'llama');
    const usual = await logitsOf(source, join(folder, 'not stretched.gguf'), []);
    const keys: readonly (readonly [string, boolean])[] = [
      ['llama.rope.scale_linear=float:4', true],
      ['llama.rope.scaling.factor=float:0', false],
    ];
    for (const [key, changes] of keys) {
      const { own, theirs } = await logitsOf(source, join(folder, 'stretched.gguf'), [key]);
      expect(farthest(theirs, usual.theirs) > 0.01, key).toBe(changes);
      expect(farthest(own, theirs), key).toBeLessThan(1e-4);
    }
  },
);
