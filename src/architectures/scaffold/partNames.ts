import type { TensorDescriptor } from '../../protocol/model';

/** A part of the blocks of a checkpoint, or of the model, as names of tensors show it. */
export interface NamedPart {
  /** Name without the block, "weight" and "bias"; numbers inside of it (experts) are "#". */
  readonly stem: string;
  /** Shape of its first tensor that is not a bias. */
  readonly shape: readonly number[];
  /** Whether all, some or none of its tensors have a bias. */
  readonly bias: 'all' | 'some' | 'none';
  /** In how many blocks it is; 0 outside the blocks. */
  readonly blocks: number;
  /** How many of it are in a block: experts. */
  readonly count: number;
  /** Its names do not end in "weight". */
  readonly isBare: boolean;
}

/** Tensors of a checkpoint by what their names have in common. */
export interface NamedParts {
  /** What stands before most names: "model.". */
  readonly prefix: string;
  /** What stands before the numbers of blocks, without the prefix: "layers". */
  readonly layers: string;
  readonly blocks: number;
  readonly outer: readonly NamedPart[];
  readonly inBlocks: readonly NamedPart[];
}

const numbered = /^(.*?)\.(\d+)\.(.+)$/;
const suffix = /\.(weight|bias)$/;

/** Numbers inside of a name, which do not tell parts apart. */
export const stemOf = (name: string): string =>
  name.replace(suffix, '').replaceAll(/(?<=^|\.)\d+(?=\.|$)/g, '#');

/** The blocks are what most tensors with a number have before it. */
export function namedParts(tensors: readonly TensorDescriptor[]): NamedParts {
  const head = mostFrequent(tensors.map(({ name }) => numbered.exec(name)?.[1]));
  const layers = head.slice(head.lastIndexOf('.') + 1);
  const prefix = head.slice(0, head.length - layers.length);
  const [outer, inBlocks] = [new Collector(), new Collector()];
  const blocks = new Set<string>();
  for (const tensor of tensors) {
    const [, before, number = '', rest = ''] = numbered.exec(tensor.name) ?? [];
    const isInside = before === head && head !== '';
    if (isInside) blocks.add(number);
    if (isInside) inBlocks.add(rest, tensor, number);
    else outer.add(tensor.name.startsWith(prefix) ? tensor.name.slice(prefix.length) : tensor.name, tensor);
  }
  return { prefix, layers, blocks: blocks.size, outer: outer.parts(), inBlocks: inBlocks.parts() };
}

function mostFrequent(names: readonly (string | undefined)[]): string {
  const counts = new Map<string, number>();
  for (const name of names) if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0] ?? '';
}

interface Collected {
  shape?: readonly number[];
  weights: number;
  biases: number;
  isBare: boolean;
  readonly blocks: Set<string>;
}

/** Tensors by their stems, in the order of their names' first appearance. */
class Collector {
  private readonly byStem = new Map<string, Collected>();

  add(name: string, { shape }: TensorDescriptor, block?: string): void {
    const stem = stemOf(name);
    const part = this.byStem.get(stem) ?? { weights: 0, biases: 0, isBare: false, blocks: new Set<string>() };
    this.byStem.set(stem, part);
    if (block !== undefined) part.blocks.add(block);
    if (name.endsWith('.bias')) {
      part.biases += 1;
      return;
    }
    part.weights += 1;
    part.shape ??= shape;
    part.isBare ||= !name.endsWith('.weight');
  }

  parts(): NamedPart[] {
    return [...this.byStem].map(([stem, { shape = [], weights, biases, isBare, blocks }]) => ({
      ...{ stem, shape, isBare, blocks: blocks.size },
      count: blocks.size === 0 ? weights : weights / blocks.size,
      bias: biases === 0 ? 'none' : biases === weights ? 'all' : 'some',
    }));
  }
}
