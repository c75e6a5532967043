import { join } from 'node:path';
import { expect, it } from 'vitest';
import { measureDivergences } from '../../../src/ampq/divergences';
import { tokenDivergences } from '../../../src/evaluation/divergence';
import { scoredStates, sumLogits } from '../../../src/evaluation/scoring';
import { mean } from '../../../src/evaluation/statistics';
import type { ScoredInputs } from '../../../src/evaluation/windows';
import { openDecoder } from '../../../src/graph/transformer/openDecoder';
import type { WeightChanges } from '../../../src/graph/transformer/weights';
import { openModel } from '../../../src/layouts/openModel';
import { formatById } from '../../../src/quant/catalogue';
import { temporaryFolder } from '../../support/files';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();
const length = 24;
const windows = [0, 1].map((text): ScoredInputs => ({
  inputs: Int32Array.from({ length }, (_, i) => (text * 311 + i * 97 + 5) % 1024),
  targets: Int32Array.from({ length }, (_, i) => (i < 2 ? -1 : 1)),
}));

/** What later blocks take of earlier ones: keys, values, embeddings of layers; and what goes through a block alone. */
const tensors = [
  ...['token_embd', 'per_layer_token_embd', 'per_layer_model_proj'],
  ...['blk.0.ffn_down', 'blk.1.attn_k', 'blk.2.attn_v', 'blk.4.attn_q', 'blk.5.inp_gate'],
].map((name) => `${name}.weight`);

it('a change of one tensor changes all that follows from it, in layers that share its keys, too', async () => {
  await writeCheckpoint(join(folder, 'gemma4'), 'gemma4');
  const model = await openModel(join(folder, 'gemma4'));
  const decoderOf = (changes?: WeightChanges) =>
    openDecoder(model, { device: 'ort-cpu', length, keep: false, ...(changes ? { changes } : {}) });
  const [decoder, base] = [await decoderOf(), await decoderOf()];
  const format = formatById('Q4_0');
  const changes = new Map(tensors.map((tensor) => [tensor, { format }]));
  const { byTensor, noise } = await measureDivergences(decoder, base, windows, changes, { room: 1 << 28 });
  const options = { windowsAtOnce: windows.length };
  const statesOf = async (of: typeof base) => {
    for await (const scored of scoredStates(of, windows, options)) return scored;
    throw new Error('there are no windows');
  };
  const { states } = await statesOf(base);
  const { hiddenSize } = base.shape;
  const read = (first: number, target: Float32Array): Promise<void> =>
    Promise.resolve(target.set(states.subarray(first * hiddenSize, first * hiddenSize + target.length)));
  for (const tensor of tensors) {
    const changed = await decoderOf(new Map([[tensor, { format }]]));
    const sums = await sumLogits(changed, await statesOf(changed), { decoder: base, read });
    const expected = mean(tokenDivergences(sums).divergences).value;
    expect(expected, tensor).toBeGreaterThan(100 * noise);
    // The embedding is the output, too, which a run of the whole changed model changes with it.
    if (tensor !== base.shape.output)
      expect(Math.abs(byTensor.get(tensor)! - expected), tensor).toBeLessThan(1e-3 * expected + 2 * noise);
    await changed.close();
  }
  await base.close();
  await decoder.close();
  await model.close();
});
