import type { Checkpoint } from '../checkpoint';
import { linear, type Layer } from '../decoder';
import { activations, rmsNorm, times, type Activation, type Vector } from '../math';
import { frequencies } from '../rope';
import { cellsOf, encode, grid, merger, numberOf, patchesOf, type Patch, type Seeing } from './encoder';

/** The first half of the pairs turns by the row with every second frequency, the other half by the column with those between. */
function alternating({ row, column }: Patch, pairs: number): Vector {
  const all = frequencies(10_000, 2 * pairs);
  const every = (first: number): number[] => [...all].filter((_, i) => i % 2 === first);
  return Float64Array.from([...every(0).map((f) => row * f), ...every(1).map((f) => column * f)]);
}

/** Pixtral, with or without squares of patches that are merged. */
export const pixtral: Seeing = (checkpoint, vision, preprocessor, image) => {
  const width = numberOf(vision, 'hidden_size');
  const cut = patchesOf(checkpoint, image, preprocessor, {
    ...{ kernel: 'model.vision_tower.patch_conv', size: numberOf(vision, 'patch_size') },
  });
  const norm = (name: string): Layer => {
    const weight = checkpoint.vector(`${name}.weight`);
    return (x) => rmsNorm(x, weight, 1e-5);
  };
  const before = norm('model.vision_tower.ln_pre');
  const start = cut.map((patch) => ({ ...patch, state: before(patch.state) }));
  const last = encode(start, {
    ...{ heads: numberOf(vision, 'num_attention_heads'), width, norm, angles: alternating },
    ...{ blocks: numberOf(vision, 'num_hidden_layers'), prefix: 'model.vision_tower.transformer.layers' },
    norms: ['attention_norm', 'ffn_norm'],
    attention: (at) => {
      const part = (name: string): Layer => linear(checkpoint, `${at}.attention.${name}_proj`);
      return { q: part('q'), k: part('k'), v: part('v'), o: part('o') };
    },
    mlp: (at) => {
      const part = (name: string): Layer => linear(checkpoint, `${at}.feed_forward.${name}_proj`);
      const activation = activations[vision['hidden_act'] as Activation];
      return (x) => part('down')(times(part('gate')(x).map(activation), part('up')(x)));
    },
  }).at(-1)!;
  const projector = 'model.multi_modal_projector';
  const project = merger(checkpoint, `${projector}.linear_1`, `${projector}.linear_2`);
  const isMerged = checkpoint.has(`${projector}.patch_merger.merging_layer.weight`);
  const side = isMerged ? numberOf(checkpoint.config, 'spatial_merge_size') : 1;
  const merged = isMerged ? mergedPatches(checkpoint, projector, last, side) : last.map(({ state }) => state);
  return { embeddings: merged.map(project), deep: [], ...grid(cut, side) };
};

/** Normed patches of a square, of which the entries of the same number come one after the other, times a matrix. */
function mergedPatches(
  checkpoint: Checkpoint,
  projector: string,
  patches: readonly Patch[],
  side: number,
): Vector[] {
  const weight = checkpoint.vector(`${projector}.norm.weight`);
  const layerOf = linear(checkpoint, `${projector}.patch_merger.merging_layer`);
  const normed = patches.map((patch) => ({
    ...patch,
    state: rmsNorm(patch.state, weight, checkpoint.number('rms_norm_eps')),
  }));
  return cellsOf(normed, side).map((cell) => layerOf(byEntry(cell)));
}

/** The same under Mistral's own names, neighbouring entries of a head turned together. */
export const pixtralParams: Seeing = (checkpoint, vision, preprocessor, image) => {
  const width = numberOf(vision, 'hidden_size');
  const cut = patchesOf(checkpoint, image, preprocessor, {
    ...{ kernel: 'vision_encoder.patch_conv', size: numberOf(vision, 'patch_size') },
  });
  const norm = (name: string): Layer => {
    const weight = checkpoint.vector(`${name}.weight`);
    return (x) => rmsNorm(x, weight, 1e-5);
  };
  const before = norm('vision_encoder.ln_pre');
  const start = cut.map((patch) => ({ ...patch, state: before(patch.state) }));
  const part = (name: string): Layer => linear(checkpoint, name);
  const last = encode(start, {
    ...{ heads: numberOf(vision, 'num_attention_heads'), width, norm, angles: alternating, layout: 'pairs' },
    ...{ blocks: numberOf(vision, 'num_hidden_layers'), prefix: 'vision_encoder.transformer.layers' },
    norms: ['attention_norm', 'ffn_norm'],
    attention: (at) => {
      const matrix = (name: string): Layer => part(`${at}.attention.w${name}`);
      return { q: matrix('q'), k: matrix('k'), v: matrix('v'), o: matrix('o') };
    },
    mlp: (at) => (x) =>
      part(`${at}.feed_forward.w2`)(
        times(part(`${at}.feed_forward.w1`)(x).map(activations.silu), part(`${at}.feed_forward.w3`)(x)),
      ),
  }).at(-1)!;
  const side = numberOf(vision, 'spatial_merge_size');
  const normed = last.map((patch) => ({ ...patch, state: norm('pre_mm_projector_norm')(patch.state) }));
  const merged = cellsOf(normed, side).map((cell) => part('patch_merger.merging_layer')(byEntry(cell)));
  const project = merger(checkpoint, 'vision_language_adapter.w_in', 'vision_language_adapter.w_out');
  return { embeddings: merged.map(project), deep: [], ...grid(cut, side) };
};

/** Entries of the same number of several vectors, one after the other. */
const byEntry = (cell: readonly Vector[]): Vector =>
  Float64Array.from([...cell[0]!.keys()].flatMap((entry) => cell.map((state) => state[entry]!)));
