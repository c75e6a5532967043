import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ggufView } from '../../../src/architectures/ggufView';
import { foldsOf, FoldedTensors, TransformBuilder, type Fold } from '../../../src/evaluation/folds';
import { openDecoder } from '../../../src/graph/transformer/openDecoder';
import { changedModel, transformedTensor } from '../../../src/layouts/changedModel';
import { openModel } from '../../../src/layouts/openModel';
import type { Model } from '../../../src/model/model';
import {
  architecture,
  block,
  blocks,
  heads,
  hidden,
  llamaConfig,
  llamaNorms,
  outer,
  wide,
  withBiases,
  type CheckpointSpec,
} from '../../support/checkpointParts';
import { windowLogits } from '../../support/decoderLogits';
import { temporaryFolder } from '../../support/files';
import { fuseExperts } from '../../support/fuseExperts';
import { Random } from '../../support/random';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();
const text = Int32Array.from({ length: 12 }, (_, i) => (i * 97 + 5) % 256);
const options = { device: 'ort-cpu', length: text.length, keep: true } as const;

/** Checkpoints whose heads do not share values. */
const ownHeads: Readonly<Record<string, CheckpointSpec>> = {
  'llama, own heads': {
    config: llamaConfig({ num_key_value_heads: heads, attention_bias: true }),
    shapes: { ...outer(), ...blocks(2, withBiases(block({ kv: heads }), /_proj/)) },
  },
  'phi3, own heads': {
    config: llamaConfig({
      ...architecture('Phi3ForCausalLM', 'phi3'),
      ...{ num_key_value_heads: heads, sliding_window: 2047 },
    }),
    shapes: {
      ...outer(),
      ...blocks(2, {
        ...llamaNorms,
        'self_attn.qkv_proj.weight': [3 * hidden, hidden],
        'self_attn.o_proj.weight': [hidden, hidden],
        'mlp.gate_up_proj.weight': [2 * wide, hidden],
        'mlp.down_proj.weight': [hidden, wide],
      }),
    },
  },
};

async function withModel<T>(name: string, work: (model: Model) => Promise<T>): Promise<T> {
  const path = join(folder, name);
  const source = name.replace(' fused', '');
  await writeCheckpoint(join(folder, source), ownHeads[source] ?? source);
  if (name !== source) await fuseExperts(join(folder, source), path);
  const model = await openModel(path);
  try {
    return await work(model);
  } finally {
    await model.close();
  }
}

async function logitsOf(model: Model): Promise<Float32Array[]> {
  const decoder = await openDecoder(model, options);
  try {
    return await windowLogits(decoder, text);
  } finally {
    await decoder.close();
  }
}

async function foldsOfModel(model: Model): Promise<Fold[]> {
  const decoder = await openDecoder(model, options);
  await decoder.close();
  return foldsOf(decoder.shape);
}

const names = (fold: Fold): string =>
  `${fold.giver.tensor.slice(6)}${fold.giver.expert ?? ''} → ${fold.users.map(({ tensor, expert }) => tensor.slice(6).replace('.weight', '') + (expert ?? '')).join(' ')}`;

describe('folds', () => {
  it('of a llama are norms before matrices, values before the output where no heads share them, and up before down', async () => {
    const folds = await withModel('llama', foldsOfModel);
    expect(folds.slice(0, folds.length / 2).map(names)).toEqual([
      'attn_norm.weight → attn_q attn_k attn_v',
      'ffn_norm.weight → ffn_gate ffn_up',
      'ffn_up.weight → ffn_down',
    ]);
    const [, values] = await withModel('llama, own heads', foldsOfModel);
    expect(names(values!)).toBe('attn_v.weight → attn_output');
    const [, ofFused] = await withModel('phi3, own heads', foldsOfModel);
    expect(ofFused!.giver).toEqual({ tensor: 'blk.0.attn_qkv.weight', firstRow: 2 * hidden });
    const fused = await withModel('phi3', foldsOfModel);
    const halves = fused.filter(({ giver }) => giver.tensor === 'blk.0.ffn_up.weight');
    expect(halves).toMatchObject([
      { giver: { firstRow: halves[0]!.channels }, users: [{ tensor: 'blk.0.ffn_down.weight' }] },
    ]);
  });

  it('of a mixture join the router and all experts behind one norm, and have one for each expert', async () => {
    const folds = await withModel('mixtral', foldsOfModel);
    const [attention, norm, ...experts] = folds.slice(0, folds.length / 2).map(names);
    expect(attention).toBe('attn_norm.weight → attn_q attn_k attn_v');
    expect(norm).toBe(
      `ffn_norm.weight → ffn_gate_inp ${[0, 1, 2, 3].map((i) => `ffn_gate_exps${i} ffn_up_exps${i}`).join(' ')}`,
    );
    expect(experts).toEqual([0, 1, 2, 3].map((i) => `ffn_up_exps.weight${i} → ffn_down_exps${i}`));
  });

  it.each([
    ...['llama', 'mixtral', 'mixtral fused', 'qwen2', 'qwen2moe', 'qwen3', 'qwen3moe', 'qwen3moe fused'],
    ...['gemma', 'gemma2', 'phi3', 'olmo2', 'smollm3'],
    ...Object.keys(ownHeads),
  ])('with any factors leave what %s computes as it is', async (name) => {
    await withModel(name, async (model) => {
      const folds = await foldsOfModel(model);
      expect(folds.length).toBeGreaterThan(0);
      const tensors = new FoldedTensors(await ggufView(model));
      const random = new Random(5);
      const builder = new TransformBuilder();
      for (const fold of folds) {
        const factors = Float32Array.from({ length: fold.channels }, () => 2 ** (4 * random.next() - 2));
        const users = fold.users.flatMap((user) => tensors.rowsOf(user)!);
        builder.add(tensors.giversOf(fold)!, users, factors);
      }
      const changes = [...builder.transforms()].map(
        ([tensor, transform]) => [tensor, transformedTensor(model, model.tensor(tensor), transform)] as const,
      );
      const [before, after] = [await logitsOf(model), await logitsOf(changedModel(model, new Map(changes)))];
      const largest = Math.max(...before.flatMap((row) => [...row].map(Math.abs)));
      const difference = Math.max(
        ...before.flatMap((row, i) => [...row].map((x, j) => Math.abs(x - after[i]![j]!))),
      );
      expect(difference / largest).toBeLessThan(2e-5);
      expect(difference).toBeGreaterThan(0);
    });
  });
});
