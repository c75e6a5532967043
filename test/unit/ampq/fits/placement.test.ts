import { describe, expect, it } from 'vitest';
import { placesOf, type Place, type Split } from '../../../../src/ampq/fits/placement';

const model = { blocks: 4, isTied: false };
const split = (gpuLayers: number, cpuMoe = false): Split => ({ gpuLayers, cpuMoe });

describe('tensors in llama.cpp', () => {
  it.each<[string, number, readonly Place[]]>([
    ['blk.3.attn_q.weight', 0, ['ram']],
    ['output.weight', 0, ['ram']],
    // The output goes first, then blocks from the last one.
    ['output.weight', 1, ['gpu']],
    ['output_norm.weight', 1, ['gpu']],
    ['blk.3.attn_q.weight', 1, ['ram']],
    ['blk.3.attn_q.weight', 2, ['gpu']],
    ['blk.2.ffn_norm.weight', 2, ['ram']],
    ['blk.0.attn_q.weight', 4, ['ram']],
    ['blk.0.attn_q.weight', 5, ['gpu']],
    ['token_embd.weight', 5, ['ram']],
    ['rope_freqs.weight', 1, ['ram']],
    ['rope_freqs.weight', 3, ['ram', 'gpu']],
    ['rope_freqs.weight', 5, ['gpu']],
  ])('%s, -ngl %i: %j', (tensor, layers, places) => {
    expect(placesOf(tensor, model, split(layers))).toEqual(places);
  });

  it('are kept twice where the embedding is the output, too', () => {
    const tied = { ...model, isTied: true };
    expect(placesOf('token_embd.weight', tied, split(0))).toEqual(['ram']);
    expect(placesOf('token_embd.weight', tied, split(1))).toEqual(['ram', 'gpu']);
  });

  it('stay in RAM where they are experts and --cpu-moe is given, with their routers on the GPU', () => {
    expect(placesOf('blk.3.ffn_down_exps.weight', model, split(5))).toEqual(['gpu']);
    expect(placesOf('blk.3.ffn_down_exps.weight', model, split(5, true))).toEqual(['ram']);
    expect(placesOf('blk.3.ffn_gate_inp.weight', model, split(5, true))).toEqual(['gpu']);
    expect(placesOf('blk.3.ffn_up_shexp.weight', model, split(5, true))).toEqual(['gpu']);
  });
});
