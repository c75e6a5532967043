import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ggufView } from '../../../src/architectures/ggufView';
import { inputsByTensor, measuredSizes } from '../../../src/evaluation/evidence';
import { blockTaps } from '../../../src/graph/transformer/blockGraph';
import { describeDecoder } from '../../../src/graph/transformer/openDecoder';
import { openModel } from '../../../src/layouts/openModel';
import { temporaryFolder } from '../../support/files';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();

it('inputs of the matrices of heads go to the tensors of a checkpoint that have them as inputs', async () => {
  const path = join(folder, 'deepseek2');
  await writeCheckpoint(path, 'deepseek2');
  const model = await openModel(path);
  const { tensors } = await ggufView(model);
  const { shape } = await describeDecoder(model);
  await model.close();
  const measured = (part: string, columns: number) =>
    [0, 1, 2, 3].map((expert) => ({ tensors: [`blk.0.${part}.weight`], expert, columns }));
  const { inputs } = inputsByTensor(tensors, [...measured('attn_k_b', 16), ...measured('attn_v_b', 32)]);
  // What the decompression of keys gives is what attn_k_b takes: it has no place among the inputs of its source.
  const ofSource = inputs.get('model.layers.0.self_attn.kv_b_proj.weight')!;
  expect(ofSource.map((found) => found.map(({ columns, expert }) => [columns, expert]))).toEqual(
    [0, 1, 2, 3].map((head) => [[32, head]]),
  );
  expect(inputs.get('blk.0.attn_k_b.weight')!.map(([found]) => found!.columns)).toEqual([16, 16, 16, 16]);
  const taps = blockTaps(shape.blocks[0]!).dense;
  const members = (part: string) => taps.find(({ parts }) => parts[0] === part)?.members;
  expect([members('attn_k_b.weight'), members('attn_v_b.weight'), members('attn_q.weight')]).toEqual([
    4,
    4,
    undefined,
  ]);
  // Each head's input and output is kept.
  const { inputs: kept } = measuredSizes({ ...shape, blocks: shape.blocks.slice(0, 1) }, 8);
  expect(kept.filter((columns) => columns === 16)).toHaveLength(4);
});
