import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../src/architectures/convertCheckpoint';
import { exportGguf } from '../../../src/exporter/exportGguf';
import { openModel } from '../../../src/layouts/openModel';
import { checkpoints } from '../../support/checkpoints';
import { temporaryFolder } from '../../support/files';
import { fuseExperts } from '../../support/fuseExperts';
import { writeCheckpoint } from '../../support/writeCheckpoint';
import { describeTensors } from './support';

const root = temporaryFolder();

/** The whole file that a checkpoint is exported to. */
async function exported(folder: string, out: string, type: string): Promise<Buffer> {
  const model = await openModel(folder);
  await exportGguf(model, { type }, out);
  await model.close();
  return readFileSync(out);
}

describe('experts of a checkpoint', () => {
  const mixtures = ['mixtral', 'qwen2moe', 'qwen3moe', 'deepseek2', 'deepseek2, version 3'];

  it.each(mixtures)('%s: fused and one by one give the same file', async (name) => {
    const number = mixtures.indexOf(name);
    const [single, fused] = [join(root, `${number}`, 'model'), join(root, `${number}-fused`, 'model')];
    await writeCheckpoint(single, name);
    await fuseExperts(single, fused);
    for (const type of ['F32', 'Q8_0']) {
      const expected = await exported(single, join(root, `${number}.gguf`), type);
      const actual = await exported(fused, join(root, `${number}-fused.gguf`), type);
      expect(actual.equals(expected), type).toBe(true);
    }
    const model = await openModel(fused);
    const names = model.description.tensors.map((tensor) => tensor.name);
    await model.close();
    expect(names.filter((tensor) => /experts\.\d/.test(tensor))).toEqual([]);
    expect(names).toContain('model.layers.1.mlp.experts.gate_up_proj');
  });

  const { config, shapes } = checkpoints['qwen3moe']!;
  const fused = {
    ...Object.fromEntries(Object.entries(shapes).filter(([name]) => !/experts\.\d/.test(name))),
    ...Object.fromEntries(
      [0, 1].flatMap((block): [string, number[]][] => [
        [`model.layers.${block}.mlp.experts.gate_up_proj`, [4, 64, 64]],
        [`model.layers.${block}.mlp.experts.down_proj`, [4, 64, 32]],
      ]),
    ),
  };
  const convert = (change: object) =>
    convertCheckpoint(describeTensors({ ...fused, ...change }), config, 'config.json');

  it('are taken fused in the shapes of transformers 5', () => {
    const gate = convert({}).tensors.find(({ name }) => name === 'blk.1.ffn_gate_exps.weight');
    expect(gate?.shape).toEqual([4, 32, 64]);
    expect(gate?.pieces.map(({ firstRow, rows }) => [firstRow, rows])).toEqual([
      [0, 32],
      [64, 32],
      [128, 32],
      [192, 32],
    ]);
  });

  it('are rejected in other shapes, in part, and in both forms at once', () => {
    const transposed = { 'model.layers.1.mlp.experts.down_proj': [4, 32, 64] };
    expect(() => convert(transposed)).toThrow(
      'The shape is [4, 32, 64], but according to config.json it should be [4, 64, 32]. (config.json, tensor "model.layers.1.mlp.experts.down_proj")',
    );
    const partly = Object.fromEntries(
      Object.entries(fused).filter(([name]) => name !== 'model.layers.0.mlp.experts.down_proj'),
    );
    expect(() => convertCheckpoint(describeTensors(partly), config, 'config.json')).toThrow(
      /4 tensors are missing: "model\.layers\.0\.mlp\.experts\.0\.down_proj\.weight" \[64, 32\] \(and 3 alike\)/,
    );
    const twice = { 'model.layers.1.mlp.experts.0.gate_proj.weight': [32, 64] };
    expect(() => convert(twice)).toThrow(
      'GGUF\'s architecture "qwen3moe" does not have this tensor. (m, tensor "model.layers.1.mlp.experts.0.gate_proj.weight")',
    );
  });
});
