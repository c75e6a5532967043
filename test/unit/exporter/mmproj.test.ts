import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { exportGguf } from '../../../src/exporter/exportGguf';
import { exportMmproj } from '../../../src/exporter/mmproj/exportMmproj';
import { openModel } from '../../../src/layouts/openModel';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { Checkpoint } from '../../support/reference/checkpoint';
import { visionCheckpoints } from '../../support/visionCheckpoints';
import { changedVision, previewVision, visionFolders } from '../../support/visionFolders';

const folder = temporaryFolder();
const checkpoint = visionFolders(folder);

/** Values of key-values, and tensors, of a file. */
async function readFile(path: string) {
  const model = await openModel(path);
  const metadata = new Map([...model.gguf!.metadata].map(([key, { scalar }]) => [key, scalar]));
  const tensors = new Map(model.description.tensors.map((tensor) => [tensor.name, tensor]));
  const values = async (name: string): Promise<Float32Array> => {
    const bytes = await model.read(tensors.get(name)!, 0, tensors.get(name)!.byteLength);
    return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  };
  return { metadata, tensors, values, close: () => model.close() };
}

describe('an mmproj file', () => {
  let source: string;
  let out: string;

  beforeAll(async () => {
    source = await checkpoint('qwen25vl');
    out = join(folder, 'qwen.gguf');
    const model = await openModel(source);
    await exportMmproj(model, out, { type: 'F32' });
    await model.close();
  });

  it('has the keys that llama.cpp reads', async () => {
    const { metadata, close } = await readFile(out);
    const expected = {
      'general.architecture': 'clip',
      'general.type': 'mmproj',
      'clip.has_vision_encoder': true,
      'clip.projector_type': 'qwen2.5vl_merger',
      'clip.use_silu': true,
      'clip.vision.block_count': 4,
      'clip.vision.embedding_length': 64,
      'clip.vision.feed_forward_length': 96,
      'clip.vision.attention.head_count': 4,
      'clip.vision.projection_dim': 64,
      'clip.vision.patch_size': 14,
      'clip.vision.spatial_merge_size': 2,
      'clip.vision.n_wa_pattern': 2,
      'clip.vision.image_min_pixels': 3136,
      'clip.vision.image_max_pixels': 1_003_520,
    };
    expect(Object.fromEntries(Object.keys(expected).map((key) => [key, metadata.get(key)]))).toEqual(
      expected,
    );
    await close();
  });

  it('has one kernel for each of the two frames that a patch spans', async () => {
    const { values, close } = await readFile(out);
    const { data } = new Checkpoint(source).tensor('model.visual.patch_embed.proj.weight');
    const square = 14 * 14;
    for (const [frame, name] of ['v.patch_embd.weight', 'v.patch_embd.weight.1'].entries()) {
      const planes = Array.from({ length: 64 * 3 }, (_, plane) =>
        data.slice((2 * plane + frame) * square, (2 * plane + frame + 1) * square),
      );
      expect([...(await values(name))]).toEqual(planes.flatMap((plane) => [...plane]));
    }
    await close();
  });

  it('has queries, keys and values apart', async () => {
    const { values, close } = await readFile(out);
    const { data } = new Checkpoint(source).tensor('model.visual.blocks.1.attn.qkv.weight');
    for (const [part, name] of ['q', 'k', 'v'].entries())
      expect([...(await values(`v.blk.1.attn_${name}.weight`))]).toEqual([
        ...data.slice(part * 4096, (part + 1) * 4096),
      ]);
    await close();
  });

  it.each([
    ['F16', ['F16', 'F16', 'F32']],
    ['BF16', ['BF16', 'F32', 'F32']],
    ['Q8_0', ['Q8_0', 'F32', 'F32']],
  ] as const)('of %s has the types that its operations need', async (type, expected) => {
    const { tensors } = await previewVision(source, type);
    const typeOf = (name: string) => tensors.find((tensor) => tensor.name === name)?.to;
    expect(['v.blk.0.attn_q.weight', 'v.patch_embd.weight.1', 'v.blk.0.attn_q.bias'].map(typeOf)).toEqual(
      expected,
    );
  });

  it('marks the blocks of deepstack', async () => {
    const { tensors } = await previewVision(await checkpoint('qwen3vl'));
    const deep = tensors.map(({ name }) => /^v\.deepstack\.(\d+)\.fc1\.weight$/.exec(name)?.[1]);
    expect(deep.filter((block) => block !== undefined)).toEqual(['0', '1']);
  });
});

describe('what llama.cpp would compute in another way is rejected', () => {
  it.each([
    ['qwen25vl', { window_size: 56 }, /"vision_config\.window_size" is 56/],
    ['qwen25vl', { fullatt_block_indexes: [0, 3] }, /Blocks 0, 3 of 4 see all patches/],
    ['qwen25vl', { fullatt_block_indexes: [-0.9999999] }, /rising numbers of the 4 blocks are needed/],
    [
      'qwen2vl',
      { embed_dim: 4_000_000_000 },
      /"vision_config\.embed_dim" is 4000000000; the largest dimension/,
    ],
    ['qwen3vl', { depth: undefined }, /visual\.blocks\.3\.norm1\.weight" \[64\] \(and 23 alike\)/],
    ['qwen2vl', { hidden_act: 'gelu' }, /"vision_config\.hidden_act" is "gelu"/],
    ['qwen2vl', { mlp_ratio: 1 }, /as wide \(64\) as its states/],
    ['qwen3vl', { spatial_merge_size: 4 }, /"vision_config\.spatial_merge_size" is 4/],
    ['qwen3vl', { deepstack_visual_indexes: [1, 0] }, /"vision_config\.deepstack_visual_indexes" is \[1,0\]/],
    ['pixtral', { rope_theta: 5000 }, /"vision_config\.rope_theta" is 5000/],
    ['gemma3', { num_hidden_layers: 200 }, /"vision_config\.num_hidden_layers" is 200/],
  ])('%s with %j', async (name, vision, message) => {
    const path = await checkpoint(name, changedVision(name, vision));
    await expect(previewVision(path)).rejects.toThrow(message);
  });

  it.each([
    ['gemma3', { rescale_factor: 1 }, /"rescale_factor" is 1; llama\.cpp divides pixels by 255/],
    ['gemma3', { do_center_crop: true }, /"do_center_crop" is true/],
    ['gemma3', { image_mean: [0.5] }, /"image_mean" is \[0\.5\]/],
    ['gemma3', { size: { height: 224, width: 112 } }, /"size\.height" is 224/],
    ['qwen2vl', { merge_size: 4 }, /"merge_size" is 4; 2 is needed by config\.json/],
    ['mistral3', { patch_size: { height: 16, width: 14 } }, /"patch_size\.height" is 16/],
  ])('%s prepared with %j', async (name, more, message) => {
    const { preprocessor } = visionCheckpoints[name]!;
    const path = await checkpoint(name, { preprocessor: { ...preprocessor, ...more } });
    await expect(previewVision(path)).rejects.toThrow(message);
  });

  it('Pixtral whose last layer is left out where nothing else is stated', async () => {
    const { config } = visionCheckpoints['pixtral']!;
    const path = await checkpoint('pixtral', { config: { ...config, vision_feature_layer: undefined } });
    await expect(previewVision(path)).rejects.toThrow(/"vision_feature_layer" is missing/);
  });

  it('Mistral with another epsilon in its language part', async () => {
    const path = await checkpoint('mistral3', changedVision('mistral3', {}, { rms_norm_eps: 1e-6 }));
    await expect(previewVision(path)).rejects.toThrow(/"rms_norm_eps" of the language part is 0\.000001/);
  });
});

describe('tensors that are not those of config.json are named before anything is read', () => {
  it('missing, unexpected and misshaped ones', async () => {
    const { shapes } = visionCheckpoints['gemma3']!;
    const prefix = 'vision_tower.vision_model';
    const others = Object.entries(shapes).filter(([name]) => name !== `${prefix}.post_layernorm.bias`);
    const path = await checkpoint('gemma3', {
      shapes: {
        ...Object.fromEntries(others),
        [`${prefix}.head.probe`]: [1, 1, 64],
        [`${prefix}.encoder.layers.0.mlp.fc1.bias`]: [95],
      },
    });
    await expect(previewVision(path)).rejects.toThrow(
      /"vision_tower\.vision_model\.post_layernorm\.bias" \[64\].*head\.probe.*fc1\.bias" is \[95\], not \[96\]/,
    );
  });

  it('a vision part that was removed', async () => {
    const { shapes } = visionCheckpoints['qwen25vl']!;
    const text = Object.entries(shapes).filter(([name]) => !name.includes('visual'));
    const path = await checkpoint('qwen25vl', { shapes: Object.fromEntries(text) });
    await expect(previewVision(path)).rejects.toThrow(/the checkpoint has no tensor of it/);
  });
});

describe('files beside the weights', () => {
  it('may be those of newer libraries, and must be there', async () => {
    const path = await checkpoint('gemma3');
    const [usual, combined] = ['preprocessor_config.json', 'processor_config.json'].map((name) =>
      join(path, name),
    ) as [string, string];
    const stated = JSON.parse(readFileSync(usual, 'utf8')) as object;
    writeFileSync(combined, JSON.stringify({ processor_class: 'Gemma3Processor', image_processor: stated }));
    rmSync(usual);
    expect((await previewVision(path)).projector).toBe('gemma3');
    renameSync(combined, `${combined}.old`);
    await expect(previewVision(path)).rejects.toThrow(
      /preprocessor_config\.json.*is missing next to the weights/,
    );
  });

  it('a tokenizer without the token between rows is an error', async () => {
    const path = await checkpoint('pixtral', { tokens: ['[ROW]', '[IMG_END]'] });
    await expect(previewVision(path)).rejects.toThrow(/The tokenizer has no token \[IMG_BREAK\]/);
  });

  it('are never replaced', async () => {
    const path = await checkpoint('qwen2vl');
    const over = join(path, 'preprocessor_config.json');
    const before = readFileSync(over);
    const model = await openModel(path);
    await expect(exportMmproj(model, over)).rejects.toThrow(/would replace an input file/);
    await model.close();
    expect(readFileSync(over)).toEqual(before);
    expect(existsSync(`${over}.digests.json`)).toBe(false);
  });
});

describe('models without a vision part that can be exported', () => {
  it('are named with those that can', async () => {
    await expect(previewVision(sampleFolder)).rejects.toThrow(
      /no description of a vision part of LlamaForCausalLM\. .*Qwen 2 VL.*Pixtral/,
    );
  });

  it('GGUF files are the language part only', async () => {
    const model = await openModel(sampleFolder);
    const gguf = join(folder, 'sample.gguf');
    await exportGguf(model, { type: 'F16' }, gguf);
    await model.close();
    await expect(previewVision(gguf)).rejects.toThrow(/A GGUF file has no vision part/);
  });
});
