import { join } from 'node:path';
import { expect, it } from 'vitest';
import { blockGraph } from '../../../../src/graph/transformer/blockGraph';
import type { BlockShape } from '../../../../src/graph/transformer/blockShape';
import { describeDecoder } from '../../../../src/graph/transformer/openDecoder';
import { readGatedDelta } from '../../../../src/graph/transformer/gatedDeltaShape';
import { openModel } from '../../../../src/layouts/openModel';
import { temporaryFolder } from '../../../support/files';
import { RunnableGraph, type Feeds } from '../../../support/gradients';
import { Random } from '../../../support/random';
import { Checkpoint } from '../../../support/reference/checkpoint';
import { writeCheckpoint } from '../../../support/writeCheckpoint';

const length = 40;

async function run(block: BlockShape, weights: Feeds, x: Float32Array): Promise<Float32Array> {
  const { bytes } = blockGraph(block, { length }, { bind: (graph, part, shape) => graph.input(part, shape) });
  const graph = await RunnableGraph.open(bytes);
  const outputs = await graph.run({ ...weights, x: { dims: [length, block.hiddenSize], data: x } });
  await graph.close();
  return outputs['y']!.data;
}

it('a net whose file has one matrix for queries, keys, values and gates, as older ones of Qwen3-Next, computes the same', async () => {
  const path = join(temporaryFolder(), 'qwen3next');
  await writeCheckpoint(path, 'qwen3next');
  const model = await openModel(path);
  const { shape, weights } = await describeDecoder(model);
  const block = shape.blocks[0]!;
  const loaded: Record<string, Feeds[string]> = {};
  for (const [part, dims] of block.tensors) {
    const data = new Float32Array(dims.reduce((product, size) => product * size, 1));
    await weights.load(`blk.0.${part}`, data);
    loaded[part] = { dims, data };
  }
  await model.close();
  // Its rows are those of the checkpoint.
  const { shape: dims, data } = new Checkpoint(path).tensor('model.layers.0.linear_attn.in_proj_qkvz.weight');
  const tensors = new Map(block.tensors);
  for (const part of ['attn_qkv.weight', 'attn_gate.weight']) tensors.delete(part);
  tensors.set('ssm_in.weight', dims);
  const numbers = { number: (_: string, usual = 0) => usual, file: 'the/file' };
  const source = { index: 0, parts: tensors, hiddenSize: block.hiddenSize, ...numbers };
  const mixer = readGatedDelta(source);
  expect(mixer).toEqual(block.mixers[0]);
  const x = new Random(4).fill(length * block.hiddenSize, (random) => random.normal());
  const fused = { ...loaded, 'ssm_in.weight': { dims, data: Float32Array.from(data) } };
  const [found, expected] = [
    await run({ ...block, tensors, mixers: [mixer] }, fused, x),
    await run(block, loaded, x),
  ];
  expected.forEach((value, i) => expect(found[i]).toBeCloseTo(value, 5));
  tensors.set('ssm_in.weight', [dims[0]! - 1, dims[1]!]);
  expect(() => readGatedDelta(source)).toThrow(/blk\.0\.ssm_in\.weight/);
});
