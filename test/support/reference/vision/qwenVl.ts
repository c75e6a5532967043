import type { Checkpoint } from '../checkpoint';
import { layer, linear, type Layer } from '../decoder';
import { activations, add, joined, rmsNorm, scale, times, type Vector } from '../math';
import { frequencies } from '../rope';
import {
  cellsOf,
  encode,
  grid,
  merger,
  numberOf,
  patchesOf,
  upDown,
  type Patch,
  type Seeing,
} from './encoder';

/** Halves of the pairs turn by the row and by the column, with the same frequencies. */
function rowsThenColumns({ row, column }: Patch, pairs: number): Vector {
  const half = frequencies(10_000, pairs);
  return Float64Array.from([...half.map((f) => row * f), ...half.map((f) => column * f)]);
}

/** One matrix for queries, keys and values. */
const fusedAttention = (checkpoint: Checkpoint, width: number) => (prefix: string) => {
  const all = linear(checkpoint, `${prefix}.attn.qkv`);
  const part =
    (index: number): Layer =>
    (x) =>
      all(x).slice(index * width, (index + 1) * width);
  return { q: part(0), k: part(1), v: part(2), o: linear(checkpoint, `${prefix}.attn.proj`) };
};

const merge = 2;

export const qwen2vl: Seeing = (checkpoint, vision, preprocessor, image) => {
  const width = numberOf(vision, 'embed_dim');
  const patches = patchesOf(checkpoint, image, preprocessor, {
    ...{ kernel: 'model.visual.patch_embed.proj', size: numberOf(vision, 'patch_size'), frames: 2 },
  });
  const norm = (name: string): Layer => layer(checkpoint, name, 1e-6);
  const last = encode(patches, {
    ...{ heads: numberOf(vision, 'num_heads'), width, blocks: numberOf(vision, 'depth'), norm },
    ...{ prefix: 'model.visual.blocks', norms: ['norm1', 'norm2'], angles: rowsThenColumns },
    attention: fusedAttention(checkpoint, width),
    mlp: (at) => upDown(checkpoint, `${at}.mlp.fc1`, `${at}.mlp.fc2`, 'quick_gelu'),
  }).at(-1)!;
  const normed = last.map((patch) => ({ ...patch, state: norm('model.visual.merger.ln_q')(patch.state) }));
  const project = merger(checkpoint, 'model.visual.merger.mlp.0', 'model.visual.merger.mlp.2');
  return {
    ...{ embeddings: cellsOf(normed, merge).map((cell) => project(joined(cell))), deep: [] },
    ...grid(patches, merge),
  };
};

export const qwen25vl: Seeing = (checkpoint, vision, preprocessor, image) => {
  const width = numberOf(vision, 'hidden_size');
  const size = numberOf(vision, 'patch_size');
  const patches = patchesOf(checkpoint, image, preprocessor, {
    ...{ kernel: 'model.visual.patch_embed.proj', size, frames: 2 },
  });
  const norm = (name: string): Layer => {
    const weight = checkpoint.vector(`${name}.weight`);
    return (x) => rmsNorm(x, weight, 1e-6);
  };
  const whole = vision['fullatt_block_indexes'] as number[];
  const side = numberOf(vision, 'window_size') / size; // in patches
  const last = encode(patches, {
    ...{ heads: numberOf(vision, 'num_heads'), width, blocks: numberOf(vision, 'depth'), norm },
    ...{ prefix: 'model.visual.blocks', norms: ['norm1', 'norm2'], angles: rowsThenColumns },
    attention: fusedAttention(checkpoint, width),
    mlp: (at) => {
      const part = (name: string): Layer => linear(checkpoint, `${at}.mlp.${name}_proj`);
      return (x) => part('down')(times(part('gate')(x).map(activations.silu), part('up')(x)));
    },
    window: ({ row, column }, block) =>
      whole.includes(block) ? '' : `${Math.floor(row / side)} ${Math.floor(column / side)}`,
  }).at(-1)!;
  const normed = last.map((patch) => ({ ...patch, state: norm('model.visual.merger.ln_q')(patch.state) }));
  const project = merger(checkpoint, 'model.visual.merger.mlp.0', 'model.visual.merger.mlp.2');
  return {
    ...{ embeddings: cellsOf(normed, merge).map((cell) => project(joined(cell))), deep: [] },
    ...grid(patches, merge),
  };
};

/** A vector between those of a square grid, whose corners are the corners of the image. */
function between(table: (index: number) => Vector, side: number, y: number, x: number): Vector {
  const [top, left] = [Math.floor(y), Math.floor(x)];
  const [bottom, right] = [Math.min(top + 1, side - 1), Math.min(left + 1, side - 1)];
  const [down, along] = [y - top, x - left];
  return [
    scale(table(top * side + left), (1 - down) * (1 - along)),
    scale(table(top * side + right), (1 - down) * along),
    scale(table(bottom * side + left), down * (1 - along)),
    scale(table(bottom * side + right), down * along),
  ].reduce(add);
}

export const qwen3vl: Seeing = (checkpoint, vision, preprocessor, image) => {
  const width = numberOf(vision, 'hidden_size');
  const side = Math.sqrt(numberOf(vision, 'num_position_embeddings'));
  const cut = patchesOf(checkpoint, image, preprocessor, {
    ...{ kernel: 'model.visual.patch_embed.proj', size: numberOf(vision, 'patch_size'), frames: 2 },
  });
  const { rows, columns } = grid(cut, 1);
  const positions = checkpoint.vector('model.visual.pos_embed.weight');
  const table = (index: number): Vector => positions.slice(index * width, (index + 1) * width);
  const step = (count: number): number => (count > 1 ? (side - 1) / (count - 1) : 0);
  const patches = cut.map((patch) => ({
    ...patch,
    state: add(patch.state, between(table, side, patch.row * step(rows), patch.column * step(columns))),
  }));
  const norm = (name: string): Layer => layer(checkpoint, name, 1e-6);
  const all = encode(patches, {
    ...{ heads: numberOf(vision, 'num_heads'), width, blocks: numberOf(vision, 'depth'), norm },
    ...{ prefix: 'model.visual.blocks', norms: ['norm1', 'norm2'], angles: rowsThenColumns },
    attention: fusedAttention(checkpoint, width),
    mlp: (at) => upDown(checkpoint, `${at}.mlp.linear_fc1`, `${at}.mlp.linear_fc2`, 'gelu_pytorch_tanh'),
  });
  const project = (prefix: string): Layer =>
    merger(checkpoint, `${prefix}.linear_fc1`, `${prefix}.linear_fc2`);
  const last = all.at(-1)!.map((patch) => ({
    ...patch,
    state: norm('model.visual.merger.norm')(patch.state),
  }));
  const deep = (vision['deepstack_visual_indexes'] as number[]).map((block, index) => {
    const prefix = `model.visual.deepstack_merger_list.${index}`;
    return cellsOf(all[block + 1]!, merge).map((cell) =>
      project(prefix)(norm(`${prefix}.norm`)(joined(cell))),
    );
  });
  return {
    embeddings: cellsOf(last, merge).map((cell) => project('model.visual.merger')(joined(cell))),
    ...{ deep, rows: rows / merge, columns: columns / merge },
  };
};
