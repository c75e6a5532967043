import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../../src/architectures/convertCheckpoint';
import { openDecoder } from '../../../../src/graph/transformer/openDecoder';
import { openModel } from '../../../../src/layouts/openModel';
import { temporaryFolder } from '../../../support/files';
import { llama4 } from '../../../support/wrappedCheckpoints';
import { writeCheckpoint } from '../../../support/writeCheckpoint';
import { describeTensors, keyValuesOf } from '../support';

const text = llama4.config['text_config'] as Readonly<Record<string, unknown>>;
const converted = (change: object = {}) =>
  convertCheckpoint(
    describeTensors(llama4.shapes),
    { ...llama4.config, text_config: { ...text, ...change } },
    'config.json',
  );

describe('llama 4 conversion', () => {
  it('states experts in every second block and both feed-forward sizes', () => {
    expect(keyValuesOf(converted())).toMatchObject({
      'llama4.interleave_moe_layer_step': 2,
      'llama4.expert_feed_forward_length': 48,
      'llama4.feed_forward_length': 96,
      'llama4.expert_used_count': 1,
    });
  });

  it.each([
    [{ attention_chunk_size: 4096 }, /"text_config.attention_chunk_size" is 4096/],
    [{ attn_scale: 0.2 }, /"text_config.attn_scale" is 0.2/],
    [{ use_qk_norm: false }, /"text_config.use_qk_norm" is false/],
    [{ moe_layers: [0, 2] }, /"moe_layers" names other blocks than every 2th/],
    [{ no_rope_layers: [1, 0, 1, 0] }, /layer 1 lacks rotary embedding/],
  ])('rejects what llama.cpp has built in otherwise: %o', (change, message) => {
    expect(() => converted(change)).toThrow(message);
  });

  it('is not run over texts that are longer than a chunk of its attention', async () => {
    const folder = join(temporaryFolder(), 'model');
    const long = { ...llama4.config, text_config: { ...text, max_position_embeddings: 20_000 } };
    await writeCheckpoint(folder, { ...llama4, config: long });
    const model = await openModel(folder);
    const options = { device: 'ort-cpu', keep: false } as const;
    const decoder = await openDecoder(model, { ...options, length: 8191 });
    expect(decoder.shape.contextLength).toBe(8191);
    await decoder.close();
    await expect(openDecoder(model, { ...options, length: 8192 })).rejects.toThrow(/more than 8191 tokens/);
    await model.close();
  });
});
