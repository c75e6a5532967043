import { valuesOfGguf } from '../../architectures/ggufView';
import type { Model } from '../../model/model';
import type { TensorDescriptor } from '../../protocol/model';
import { said } from '../../protocol/said';
import type { CheckContext } from '../check';

/** Blocks that must agree before one that differs is taken for damaged. */
const leastBlocks = 3;

/**
 * Tensors of a GGUF file against its keys and against each other: blocks that its number of blocks leads to, a tensor that every other block has,
 * and shapes that keys state. The first block of some architectures is another one, so it is compared with none.
 */
export function ggufTensors(model: Model, { report }: CheckContext): void {
  const { tensors, path } = model.description;
  const value = valuesOfGguf(model.gguf!);
  const architecture = value('general.architecture');
  if (typeof architecture !== 'string' || tensors.length === 0) return;
  const count = Number(value(`${architecture}.block_count`));
  const blocks = blocksOf(tensors);
  for (const [block, found] of blocks)
    if (block >= count) {
      const [, tensor] = [...found][0]!;
      report({
        ...{ code: 'tensor/unexpected', file: tensor.file, tensor: tensor.name, offset: tensor.offset },
        message: said`Block ${block} is there, but "${architecture}.block_count" is ${count}: llama.cpp refuses the file.`,
      });
    }
  if (blocks.size > 0)
    for (let block = 0; block < Math.min(count, 100_000); block++)
      if (!blocks.has(block))
        report({
          ...{ code: 'tensor/missing', file: path, tensor: `blk.${block}.*` },
          message: said`Block ${block} of ${count} has no tensors.`,
        });
  for (const name of missingInBlocks(blocks))
    report({
      ...{ code: 'tensor/missing', file: path, tensor: name },
      message: said`All other blocks but the first have such a tensor.`,
    });
  if (
    !tensors.some(({ name }) => name === 'token_embd.weight') &&
    blocks.size > 0 &&
    model.gguf!.metadata.has('tokenizer.ggml.tokens')
  )
    report({
      ...{ code: 'tensor/missing', file: path, tensor: 'token_embd.weight' },
      message: said`The file has a tokenizer and blocks, but no embedding.`,
    });
  statedShapes(model, architecture, report);
}

type Blocks = ReadonlyMap<number, ReadonlyMap<string, TensorDescriptor>>;

/** Tensors of blocks by what follows their number. */
function blocksOf(tensors: readonly TensorDescriptor[]): Blocks {
  const blocks = new Map<number, Map<string, TensorDescriptor>>();
  for (const tensor of tensors) {
    const [, number, suffix] = /^blk\.(\d+)\.(.+)$/.exec(tensor.name) ?? [];
    if (number === undefined || suffix === undefined) continue;
    const own = blocks.get(Number(number)) ?? new Map<string, TensorDescriptor>();
    own.set(suffix, tensor);
    blocks.set(Number(number), own);
  }
  return blocks;
}

/** Names of tensors that exactly one block lacks, where it has nothing in their place. */
function missingInBlocks(blocks: Blocks): string[] {
  const later = [...blocks].filter(([block]) => block > 0);
  if (later.length < leastBlocks) return [];
  const counts = new Map<string, number>();
  for (const [, found] of later)
    for (const suffix of found.keys()) counts.set(suffix, (counts.get(suffix) ?? 0) + 1);
  const isUsual = (suffix: string): boolean => counts.get(suffix)! >= later.length - 1;
  return [...counts.keys()]
    .filter((suffix) => counts.get(suffix) === later.length - 1)
    .flatMap((suffix) => {
      const [block, found] = later.find(([, own]) => !own.has(suffix))!;
      return [...found.keys()].every(isUsual) ? `blk.${block}.${suffix}` : [];
    });
}

/** Dimensions of tensors that a key states: the key, counted from the end of the shape. */
const stated: readonly (readonly [tensor: RegExp, fromEnd: number, key: string])[] = [
  [/^token_embd\.weight$/, 1, 'embedding_length'],
  [/^output_norm\.weight$/, 1, 'embedding_length'],
  [/^blk\.\d+\.ffn_(gate|up)\.weight$/, 2, 'feed_forward_length'],
  [/^blk\.\d+\.ffn_down\.weight$/, 1, 'feed_forward_length'],
];

function statedShapes(
  { description, gguf }: Model,
  architecture: string,
  report: CheckContext['report'],
): void {
  for (const tensor of description.tensors)
    for (const [pattern, fromEnd, key] of stated) {
      const full = `${architecture}.${key}`;
      const value = gguf!.metadata.get(full)?.scalar; // a list has one for each block
      const size = tensor.shape.at(-fromEnd);
      if (value === undefined || !pattern.test(tensor.name) || size === Number(value)) continue;
      report({
        ...{
          code: 'tensor/wrong-shape',
          file: tensor.file,
          tensor: tensor.name,
          offset: tensor.offset,
          key: [full],
        },
        message: said`The shape is [${tensor.shape.join(', ')}], but "${full}" is ${String(value)}.`,
      });
    }
}
