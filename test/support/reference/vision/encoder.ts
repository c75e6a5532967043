import { attend, headsOf } from '../attention';
import type { Checkpoint, Config } from '../checkpoint';
import { affine, linear, type Layer } from '../decoder';
import { activations, add, type Activation, type Vector } from '../math';
import { rotate } from '../rope';

/** What vision parts have in common, by the definitions of transformers' modeling files: from pixels to merged patches. */

/** Bytes of rows of pixels, three colours each. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8Array;
}

/** What a language part gets in place of an image. */
export interface SeenImage {
  /** One for each token, in order. */
  readonly embeddings: readonly Vector[];
  /** Vectors that are added to the states of these tokens after each of the first blocks. */
  readonly deep: readonly (readonly Vector[])[];
  /** Merged patches. */
  readonly rows: number;
  readonly columns: number;
}

/** A patch: its place, and its state. */
export interface Patch {
  readonly row: number;
  readonly column: number;
  readonly state: Vector;
}

/** What the encoders differ in. */
interface EncoderParts {
  readonly heads: number;
  readonly width: number;
  readonly blocks: number;
  readonly prefix: string;
  readonly norm: (name: string) => Layer;
  readonly norms: readonly [string, string];
  readonly attention: (prefix: string) => {
    readonly q: Layer;
    readonly k: Layer;
    readonly v: Layer;
    readonly o: Layer;
  };
  readonly mlp: (prefix: string) => Layer;
  /** Entries of a head that are a pair; `half` when absent. */
  readonly layout?: 'half' | 'pairs';
  /** Angles of the pairs of a head. */
  readonly angles?: (patch: Patch, pairs: number) => Vector;
  /** Patches that see each other in a block have the same. */
  readonly window?: (patch: Patch, block: number) => string;
}

function groupsOf<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}

/** Runs the blocks of an encoder. @returns the patches after each block, those before the first one first. */
export function encode(start: readonly Patch[], parts: EncoderParts): readonly (readonly Patch[])[] {
  const { heads, width, blocks, prefix, norm, norms, window = () => '' } = parts;
  const size = width / heads;
  const all: (readonly Patch[])[] = [start];
  for (let block = 0; block < blocks; block++) {
    const patches = all.at(-1)!;
    const at = `${prefix}.${block}`;
    const [before, between] = norms.map((name) => norm(`${at}.${name}`)) as [Layer, Layer];
    const { q, k, v, o } = parts.attention(at);
    const mlp = parts.mlp(at);
    const turned = (project: Layer, patch: Patch): Vector[] =>
      headsOf(project(before(patch.state)), size).map((head) => {
        const angles = parts.angles?.(patch, size / 2);
        return angles
          ? rotate(head, 1, { frequencies: angles, layout: parts.layout ?? 'half', magnitude: 1 })
          : head;
      });
    const attended = new Map<Patch, Vector>();
    for (const group of groupsOf(patches, (patch) => window(patch, block)).values()) {
      const values = group.map(({ state }) => headsOf(v(before(state)), size));
      const found = attend(
        group.map((patch) => turned(q, patch)),
        group.map((patch) => turned(k, patch)),
        values,
        { reach: Infinity },
      );
      group.forEach((patch, i) => attended.set(patch, o(found[i]!)));
    }
    all.push(
      patches.map((patch) => {
        const middle = add(patch.state, attended.get(patch)!);
        return { ...patch, state: add(middle, mlp(between(middle))) };
      }),
    );
  }
  return all;
}

/** Patches of an image in rows, as a convolution makes them: colours, rows and columns of each, times the kernel. */
export function patchesOf(
  checkpoint: Checkpoint,
  { width, height, pixels }: Picture,
  preprocessor: Config,
  { kernel, size, frames = 1 }: { readonly kernel: string; readonly size: number; readonly frames?: number },
): Patch[] {
  const { shape, data } = checkpoint.tensor(`${kernel}.weight`);
  const bias = checkpoint.optional(`${kernel}.bias`);
  const [mean, deviation] = [preprocessor['image_mean'], preprocessor['image_std']] as [number[], number[]];
  const value = (colour: number, y: number, x: number): number =>
    (pixels[3 * (y * width + x) + colour]! / 255 - mean[colour]!) / deviation[colour]!;
  const flat = { shape: [shape[0]!, data.length / shape[0]!], data };
  const patches: Patch[] = [];
  for (let row = 0; row < Math.floor(height / size); row++)
    for (let column = 0; column < Math.floor(width / size); column++) {
      const input: number[] = [];
      for (let colour = 0; colour < 3; colour++)
        for (let frame = 0; frame < frames; frame++)
          for (let y = 0; y < size; y++)
            for (let x = 0; x < size; x++) input.push(value(colour, row * size + y, column * size + x));
      patches.push({ row, column, state: affine(flat, bias, Float64Array.from(input)) });
    }
  return patches;
}

/** Merged cells in rows: patches of a square each, in rows. */
export function cellsOf(patches: readonly Patch[], merge: number): Vector[][] {
  const cells = groupsOf(
    patches,
    ({ row, column }) => `${Math.floor(row / merge)} ${Math.floor(column / merge)}`,
  );
  return [...cells.values()].map((cell) => cell.map(({ state }) => state));
}

/** An encoder of patches with settings of a `vision_config`, whose language part takes vectors. */
export type Seeing = (
  checkpoint: Checkpoint,
  vision: Config,
  preprocessor: Config,
  image: Picture,
) => SeenImage;

export const numberOf = (config: Config, key: string): number => Number(config[key]);

/** Two matrices with a function between them. */
export const upDown =
  (checkpoint: Checkpoint, up: string, down: string, activation: Activation) => (x: Vector) =>
    linear(checkpoint, down)(linear(checkpoint, up)(x).map(activations[activation]));

/** Two matrices of a merger, with the exact GELU between them. */
export const merger = (checkpoint: Checkpoint, first: string, second: string): Layer =>
  upDown(checkpoint, first, second, 'gelu');

/** Rows and columns of merged patches. */
export const grid = (patches: readonly Patch[], merge: number) => ({
  rows: (patches.at(-1)!.row + 1) / merge,
  columns: (patches.at(-1)!.column + 1) / merge,
});
