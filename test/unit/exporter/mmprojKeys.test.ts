import { describe, expect, it } from 'vitest';
import { exportMmproj } from '../../../src/exporter/mmproj/exportMmproj';
import { openModel } from '../../../src/layouts/openModel';
import { temporaryFolder } from '../../support/files';
import { visionCheckpoints } from '../../support/visionCheckpoints';
import { changedVision, previewVision, visionFolders } from '../../support/visionFolders';
import type { VisionSpec } from '../../support/visionParts';

const checkpoint = visionFolders(temporaryFolder());

describe('keys that published configurations have', () => {
  it.each([
    ['qwen2vl', { in_channels: 3, initializer_range: 0.02 }],
    ['qwen25vl', { in_channels: 3, initializer_range: 0.02, model_type: 'qwen2_5_vl' }],
    ['gemma3', { attention_dropout: 0, vision_use_head: false }],
    [
      'smolVlm',
      {
        ...{ tie_word_embeddings: false, use_base_siglip: false, initializer_range: 0.02 },
        ...{ max_image_size: { longest_edge: 384 }, size: { longest_edge: 1920 } },
      },
    ],
  ])('change nothing in %s, and are not noted', async (name, more) => {
    const { notes } = await previewVision(await checkpoint(name, changedVision(name, more)));
    expect(notes.filter((note) => !note.includes('scales images'))).toEqual([]);
  });

  it('are noted where they are unknown', async () => {
    const { notes } = await previewVision(await checkpoint('gemma3', changedVision('gemma3', { spiral: 3 })));
    expect(notes).toEqual([expect.stringMatching(/unknown keys .*"vision_config\.spiral"/)]);
  });

  it('have the defaults of their class where they are left out', async () => {
    const path = await checkpoint('smolVlm', changedVision('smolVlm', { num_attention_heads: undefined }));
    const model = await openModel(path);
    await exportMmproj(model, `${path}.gguf`).finally(() => model.close());
    const file = await openModel(`${path}.gguf`);
    await file.close();
    expect(file.gguf!.metadata.get('clip.vision.attention.head_count')?.scalar).toBe(16);
    const wider = await checkpoint('smolVlm', changedVision('smolVlm', {}, { hidden_size: undefined }));
    await expect(previewVision(wider)).rejects.toThrow('should be [4096, 256]');
  });

  it.each([
    [{ min_pixels: 6272 }, 'at most 1024'],
    [{ max_pixels: 1_605_632 }, 'between 4 and 2048'],
    [{}, 'between 4 and 1024'],
  ])('state limits of images one by one: %j', async (more, limits) => {
    const { preprocessor } = visionCheckpoints['qwen2vl']!;
    const size = { shortest_edge: 3136, longest_edge: 802_816 };
    const stated = { ...preprocessor, min_pixels: undefined, max_pixels: undefined, size, ...more };
    const { notes } = await previewVision(await checkpoint('qwen2vl', { preprocessor: stated }));
    expect(notes).toEqual([expect.stringContaining(`scales images to ${limits} tokens`)]);
  });

  it('are noted where large images would not be cut', async () => {
    const { preprocessor } = visionCheckpoints['smolVlm']!;
    const path = await checkpoint('smolVlm', {
      preprocessor: { ...preprocessor, do_image_splitting: false },
    });
    expect((await previewVision(path)).notes).toEqual([
      expect.stringMatching(/"do_image_splitting" is false/),
    ]);
  });

  it('may limit images as llama.cpp does not', async () => {
    const { notes } = await previewVision(await checkpoint('pixtral'));
    expect(notes).toEqual([
      'preprocessor_config.json scales images to at most 784 tokens; llama.cpp scales them to between 8 and 1024, unless its options image-min-tokens and image-max-tokens say otherwise.',
    ]);
  });
});

describe("Mistral's own files", () => {
  const name = 'pixtral, as Mistral publishes it';
  const encoder = (more: object): Partial<VisionSpec> => {
    const { config } = visionCheckpoints[name]!;
    return { config: { ...config, vision_encoder: { ...(config['vision_encoder'] as object), ...more } } };
  };

  it('need no file that says how images are prepared', async () => {
    const { projector, tensors } = await previewVision(await checkpoint(name));
    expect(projector).toBe('pixtral');
    expect(tensors.find(({ name }) => name === 'v.token_embd.img_break')?.source).toBe(
      'tok_embeddings.weight',
    );
  });

  it.each([
    [
      { add_pre_mm_projector_layer_norm: false },
      /"vision_encoder\.add_pre_mm_projector_layer_norm" is false/,
    ],
    [{ mm_projector_id: 'spiral' }, /"vision_encoder\.mm_projector_id" is "spiral"/],
    [{ image_break_token_id: undefined }, /"vision_encoder\.image_break_token_id" is missing/],
  ])('are rejected with %j', async (more, message) => {
    await expect(previewVision(await checkpoint(name, encoder(more)))).rejects.toThrow(message);
  });
});
