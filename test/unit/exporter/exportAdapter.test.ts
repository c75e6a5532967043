import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { exportAdapter } from '../../../src/exporter/adapter/exportAdapter';
import { openModel } from '../../../src/layouts/openModel';
import { product, writeAdapter, type AdapterSpec } from '../../support/adapters';
import { checkpoints } from '../../support/checkpoints';
import { temporaryFolder } from '../../support/files';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();

async function exported(name: string, spec: AdapterSpec) {
  const [source, path, out] = ['base', 'adapter', 'adapter.gguf'].map((part) =>
    join(folder, `${name}-${part}`),
  );
  await writeCheckpoint(source!, name);
  const written = await writeAdapter(path!, spec);
  const base = await openModel(source!);
  const result = await exportAdapter(path!, base, out!).finally(() => base.close());
  const file = await openModel(out!);
  const factor = async (tensor: string): Promise<Float32Array> => {
    const descriptor = file.tensor(tensor);
    return new Float32Array((await file.read(descriptor, 0, descriptor.byteLength)).buffer);
  };
  return { written, result, file, factor };
}

describe('an adapter for llama.cpp', () => {
  it('keeps B as it was trained, and gives it the scale of a module that has its own', async () => {
    const [up, down] = ['model.layers.0.mlp.up_proj', 'model.layers.0.mlp.down_proj'];
    const { written, factor, file } = await exported('llama', {
      modules: { [up]: [96, 64], [down]: [64, 96] },
      config: { rank_pattern: { down_proj: 2 }, alpha_pattern: { down_proj: 3 } },
      ranks: { [down]: 2 },
    });
    expect(await factor('blk.0.ffn_up.weight.lora_a')).toEqual(written.factors.get(up)!.a);
    expect(await factor('blk.0.ffn_up.weight.lora_b')).toEqual(written.factors.get(up)!.b);
    // llama.cpp multiplies by 8 / 2, PEFT by 3 / 2.
    const scaled = written.factors.get(down)!.b.map((value) => (value * 3) / 8);
    expect(await factor('blk.0.ffn_down.weight.lora_b')).toEqual(scaled);
    await file.close();
  });

  it('has zeros for experts without a change, and the largest rank for all', async () => {
    const expert = (index: number, matrix: string): string =>
      `model.layers.0.block_sparse_moe.experts.${index}.${matrix}`;
    const { written, result, factor, file } = await exported('mixtral', {
      modules: { [expert(1, 'w3')]: [96, 64], [expert(3, 'w3')]: [96, 64] },
      config: { rank_pattern: { 'experts.3.w3': 2 } },
      ranks: { [expert(3, 'w3')]: 2 },
    });
    expect(result.tensors).toEqual([
      { name: 'blk.0.ffn_up_exps.weight', rank: 4, shapeA: [4, 4, 64], shapeB: [4, 96, 4] },
    ]);
    const a = await factor('blk.0.ffn_up_exps.weight.lora_a');
    const b = await factor('blk.0.ffn_up_exps.weight.lora_b');
    const of = (index: number) => ({
      rank: 4,
      a: a.subarray(index * 4 * 64, (index + 1) * 4 * 64),
      b: b.subarray(index * 96 * 4, (index + 1) * 96 * 4),
    });
    expect([0, 2].flatMap((index) => [...of(index).b]).every((value) => value === 0)).toBe(true);
    for (const [index, scale] of [
      [1, 1],
      [3, 2], // PEFT multiplies by 8 / 2, llama.cpp by 8 / 4
    ] as const)
      expect(product(of(index), 95, 63)).toBeCloseTo(
        scale * product(written.factors.get(expert(index, 'w3'))!, 95, 63),
        6,
      );
    await file.close();
  });

  it('has the multipliers that are part of the weights it changes', async () => {
    const [gate, mixer] = ['model.layers.0.feed_forward.gate_proj', 'model.layers.0.mamba.in_proj'];
    const { written, factor, file } = await exported('falconh1', {
      modules: { [gate]: [96, 64], [mixer]: [262, 64] },
    });
    const [ofGate, ofMixer] = [gate, mixer].map((name) => written.factors.get(name)!.b) as [
      Float32Array,
      Float32Array,
    ];
    const b = await factor('blk.0.ffn_gate.weight.lora_b');
    expect([...b]).toEqual([...ofGate.map((value) => 1.75 * value)]);
    const rows = await factor('blk.0.ssm_in.weight.lora_b');
    const rank = rows.length / 262;
    // The last row of the gate and the first of x.
    for (const [row, multiplier] of [
      [95, 0.75],
      [96, 0.625],
    ] as const)
      expect(rows[row * rank]).toBeCloseTo(multiplier * ofMixer[row * rank]!, 7);
    await file.close();
  });

  it('is refused where llama.cpp would ignore a change', async () => {
    const spec = {
      modules: {},
      embeddings: { 'transformer.wpe': checkpoints['gpt2 with prefix']!.shapes['transformer.wpe.weight']! },
    };
    await expect(exported('gpt2 with prefix', spec)).rejects.toThrow(
      /position_embd\.weight in GGUF, where llama\.cpp ignores it/,
    );
    expect(existsSync(join(folder, 'gpt2 with prefix-adapter.gguf'))).toBe(false);
  });
});
