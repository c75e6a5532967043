import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ggufView } from '../../src/architectures/ggufView';
import { exportGguf } from '../../src/exporter/exportGguf';
import { layOutGguf, writeGguf } from '../../src/exporter/gguf/writer';
import { writeAtomically } from '../../src/files/atomicFile';
import { Weights } from '../../src/graph/transformer/weights';
import { openModel } from '../../src/layouts/openModel';
import type { KeyValue } from '../../src/model/keyValue';
import { ownLogits } from '../support/decoderLogits';
import { temporaryFolder } from '../support/files';
import { hasOracle, llamaCpp } from '../support/llamaCpp';
import { Checkpoint } from '../support/reference/checkpoint';
import { referenceLogits } from '../support/reference/models';
import { writeCheckpoint } from '../support/writeCheckpoint';

const folder = temporaryFolder();
const tokens = Array.from({ length: 32 }, (_, i) => (i * 389 + 17) % 1024);
const bound = 1e-4;

const farthest = (a: readonly ArrayLike<number>[], b: readonly ArrayLike<number>[]): number =>
  a.reduce(
    (most, row, i) => Math.max(most, ...Array.from(row, (value, token) => Math.abs(value - b[i]![token]!))),
    0,
  );

/** Heads, sizes of a head without and with rotation, and of its values. */
const sizes = { heads: 4, key: 32, value: 16 };

/** A file as llama.cpp wrote them before it had the matrices of each head apart: keys and values of all heads in one matrix. */
async function writeOlder(source: string, out: string): Promise<void> {
  const model = await openModel(source);
  const view = await ggufView(model);
  const weights = new Weights(model, view);
  const checkpoint = new Checkpoint(source);
  const load = async (name: string, shape: readonly number[]): Promise<Float32Array> => {
    const [, block] = /^blk\.(\d+)\.attn_kv_b/.exec(name) ?? [];
    const stored = `model.layers.${block}.self_attn.kv_b_proj.weight`;
    if (block !== undefined) return Float32Array.from(checkpoint.tensor(stored).data);
    const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
    await weights.load(name, values);
    return values;
  };
  const tensors = view.tensors.flatMap(({ name, shape }) => {
    if (name.includes('attn_v_b')) return [];
    const joined = [sizes.heads * (sizes.key / 2 + sizes.value), 32];
    const own = name.includes('attn_k_b')
      ? { name: name.replace('k_b', 'kv_b'), shape: joined }
      : { name, shape };
    return [{ ...own, to: 'F32', bytes: 4 * own.shape.reduce((product, size) => product * size, 1) }];
  });
  const changed: Readonly<Record<string, number>> = {
    'deepseek2.attention.head_count_kv': sizes.heads,
    'deepseek2.attention.key_length': sizes.key,
    'deepseek2.attention.value_length': sizes.value,
  };
  const pairs: KeyValue[] = [
    { key: 'general.architecture', type: 'string', value: 'deepseek2' },
    { key: 'tokenizer.ggml.model', type: 'string', value: 'no_vocab' },
    ...view.keyValues
      .filter(({ key }) => !key.endsWith('_mla'))
      .map((pair): KeyValue => {
        const value = changed[pair.key];
        return value === undefined ? pair : { key: pair.key, type: 'u32', value };
      }),
  ];
  await writeAtomically(out, (file) =>
    writeGguf(file, layOutGguf(pairs, tensors), async function* ({ name, shape }) {
      yield new Uint8Array((await load(name, shape)).buffer);
    }),
  );
  await model.close();
}

describe.skipIf(!hasOracle)('files with latent attention', () => {
  it('with keys and values of all heads in one matrix are run as llama.cpp runs them', async () => {
    const source = join(folder, 'deepseek2');
    await writeCheckpoint(source, 'deepseek2');
    const out = join(folder, 'older.gguf');
    await writeOlder(source, out);
    const { logits } = await llamaCpp('logits', { model: out, tokens });
    expect(farthest(await ownLogits(out, tokens), logits)).toBeLessThan(bound);
    expect(farthest(referenceLogits(new Checkpoint(source), tokens), logits)).toBeLessThan(bound);
  });

  it.each([
    ['without a factor of scores', ['rope.scaling.yarn_log_multiplier=float:0']],
    ['with a magnitude', ['rope.scaling.attn_factor=float:1.2']],
    ['stretched linearly', ['rope.scaling.type=str:linear']],
    ['not stretched', ['rope.scaling.type=str:none']],
  ])('scale scores as llama.cpp does: %s', async (name, changes) => {
    const source = join(folder, name);
    await writeCheckpoint(source, 'deepseek2');
    const model = await openModel(source);
    const [usual, out] = ['usual', 'changed'].map((what) => join(folder, `${name} ${what}.gguf`)) as [
      string,
      string,
    ];
    await exportGguf(model, { type: 'F32' }, usual);
    const overrideKeyValues = changes.map((change) => `deepseek2.${change}`);
    await exportGguf(model, { type: 'F32', overrideKeyValues }, out);
    await model.close();
    const { logits } = await llamaCpp('logits', { model: out, tokens });
    expect(farthest(await ownLogits(usual, tokens), logits)).toBeGreaterThan(0.01);
    expect(farthest(await ownLogits(out, tokens), logits)).toBeLessThan(bound);
  });
});
