import { layer, linear, type Layer } from '../decoder';
import { add, joined, rmsNorm, scale, type Vector } from '../math';
import { cellsOf, encode, grid, numberOf, patchesOf, upDown, type Patch, type Seeing } from './encoder';

/** SigLIP: learned positions of a square of patches, layer norms, the GELU with tanh. */
function siglip(
  ...[checkpoint, vision, preprocessor, image, prefix]: [...Parameters<Seeing>, string]
): readonly Patch[] {
  const width = numberOf(vision, 'hidden_size');
  const patches = patchesOf(checkpoint, image, preprocessor, {
    ...{ kernel: `${prefix}.embeddings.patch_embedding`, size: numberOf(vision, 'patch_size') },
  });
  const { columns } = grid(patches, 1);
  const positions = checkpoint.vector(`${prefix}.embeddings.position_embedding.weight`);
  const norm = (name: string): Layer => layer(checkpoint, name, numberOf(vision, 'layer_norm_eps'));
  const start = patches.map((patch) => {
    const index = patch.row * columns + patch.column;
    return { ...patch, state: add(patch.state, positions.slice(index * width, (index + 1) * width)) };
  });
  const last = encode(start, {
    ...{ heads: numberOf(vision, 'num_attention_heads'), width, norm },
    ...{ blocks: numberOf(vision, 'num_hidden_layers'), prefix: `${prefix}.encoder.layers` },
    norms: ['layer_norm1', 'layer_norm2'],
    attention: (at) => {
      const part = (name: string): Layer => linear(checkpoint, `${at}.self_attn.${name}_proj`);
      return { q: part('q'), k: part('k'), v: part('v'), o: part('out') };
    },
    mlp: (at) => upDown(checkpoint, `${at}.mlp.fc1`, `${at}.mlp.fc2`, 'gelu_pytorch_tanh'),
  }).at(-1)!;
  return last.map((patch) => ({ ...patch, state: norm(`${prefix}.post_layernorm`)(patch.state) }));
}

export const gemma3: Seeing = (checkpoint, vision, preprocessor, image) => {
  const patches = siglip(checkpoint, vision, preprocessor, image, 'model.vision_tower.vision_model');
  const side = Math.sqrt(numberOf(checkpoint.config, 'mm_tokens_per_image'));
  const factor = grid(patches, 1).rows / side;
  const weight = checkpoint.vector('model.multi_modal_projector.mm_soft_emb_norm.weight');
  const { shape, data } = checkpoint.tensor('model.multi_modal_projector.mm_input_projection_weight');
  const project = (x: Vector): Vector =>
    Float64Array.from({ length: shape[1]! }, (_, i) =>
      x.reduce((sum, value, j) => sum + value * data[j * shape[1]! + i]!, 0),
    );
  const embeddings = cellsOf(patches, factor).map((cell) => {
    const mean = scale(cell.reduce(add), 1 / cell.length);
    return project(rmsNorm(mean, weight, numberOf(vision, 'layer_norm_eps'), 1));
  });
  return { embeddings, deep: [], rows: side, columns: side };
};

export const idefics3: Seeing = (checkpoint, vision, preprocessor, image) => {
  const patches = siglip(checkpoint, vision, preprocessor, image, 'model.vision_model');
  const factor = numberOf(checkpoint.config, 'scale_factor');
  const project = linear(checkpoint, 'model.connector.modality_projection.proj');
  const embeddings = cellsOf(patches, factor).map((cell) => project(joined(cell)));
  return { embeddings, deep: [], ...grid(patches, factor) };
};
