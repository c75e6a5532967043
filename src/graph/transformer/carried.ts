import { QuantscopeError } from '../../model/errors';
import type { BlockShape, BlockTensors } from './blockShape';
import { checkShape, type Shapes } from './blockTensors';
import type { BlockCarried, CarriedShape } from './carriedShape';
import type { Numbers } from './shapeNumbers';
import { said } from '../../protocol/said';

/** Weights that make the states before the first block of the embedding of a token. */
export interface EntryShape {
  readonly tensors: BlockTensors;
  /** A table whose rows are the embeddings of all layers. */
  readonly table?: string;
}

/** What the states of a decoder hold, and its blocks with it; nothing where that is one hidden vector. */
export interface Carrying {
  readonly carried?: CarriedShape;
  readonly entry?: EntryShape;
  readonly blocks: readonly BlockShape[];
}

/** The first block that takes keys and values of earlier ones; as many as there are where none does. */
export function firstSharingOf({
  traits,
  number,
  count,
}: Pick<Numbers, 'traits' | 'number' | 'count'>): number {
  const { firstSharing = count } = traits;
  return firstSharing === 'stated' ? count - number('attention.shared_kv_layers', 0) : firstSharing;
}

/** @throws QuantscopeError UNSUPPORTED for experts, MODEL_FILE for a tensor that is missing or of another shape, and for layers that have none to share keys with. */
export function withCarried(blocks: readonly BlockShape[], decoder: Numbers, tensors: Shapes): Carrying {
  const { traits, number, count } = decoder;
  const { streams = 1 } = traits;
  const size = number('embedding_length_per_layer_input', 0);
  const keys = sharedKeys(blocks, decoder);
  if (streams === 1 && size === 0 && keys.kept === 0) return { blocks };
  if (blocks.some(({ experts }) => experts)) {
    const message = said`Experts in blocks that hand on more than hidden states cannot be run.`;
    throw new QuantscopeError('UNSUPPORTED', message, { file: decoder.file });
  }
  const layers = size > 0 ? { layers: { count, size } } : {};
  const carried: CarriedShape = { streams, kept: keys.kept, ...layers };
  return {
    carried,
    entry: entryOf(carried, decoder, tensors),
    blocks: blocks.map((block) => {
      const own = keys.byBlock.get(block.index);
      return { ...block, carried: { ...carried, ...(own ? { keys: own } : {}) } };
    }),
  };
}

/** Which keys and values blocks leave and take. */
function sharedKeys(blocks: readonly BlockShape[], decoder: Numbers) {
  const first = firstSharingOf(decoder);
  const byBlock = new Map<number, Required<BlockCarried>['keys']>();
  let kept = 0;
  for (const slides of [true, false]) {
    const alike = blocks.filter(({ window }) => (window !== undefined) === slides);
    const takers = alike.filter(({ index }) => index >= first);
    if (takers.length === 0) continue;
    const source = alike.findLast(({ index }) => index < first);
    const size = source ? source.kvHeads * source.headSize : 0;
    const wrong = takers.find(({ kvHeads, headSize }) => kvHeads * headSize !== size);
    if (wrong) {
      const message = said`Block ${wrong.index} takes keys and values of an earlier one, but none before block ${first} has them in its size.`;
      throw new QuantscopeError('MODEL_FILE', message, { file: decoder.file });
    }
    const at = { first: kept, size };
    byBlock.set(source!.index, { role: 'left', ...at });
    for (const { index } of takers) byBlock.set(index, { role: 'taken', ...at });
    kept += 2 * size;
  }
  return { kept, byBlock };
}

/** The table whose rows are the embeddings of all layers. */
export const layerTable = 'per_layer_token_embd.weight';

function entryOf({ streams, layers }: CarriedShape, decoder: Numbers, tensors: Shapes): EntryShape {
  const { hiddenSize, file } = decoder;
  const found = new Map<string, readonly number[]>();
  const need = (tensor: string, ...expected: readonly number[]): void => {
    checkShape(tensors, tensor, expected, file);
    found.set(tensor, expected);
  };
  if (streams > 1) need('altup_proj.weight', streams - 1, hiddenSize, hiddenSize);
  if (!layers) return { tensors: found };
  const columns = layers.count * layers.size;
  need('per_layer_model_proj.weight', columns, hiddenSize);
  need('per_layer_proj_norm.weight', layers.size);
  const rows = tensors.get('token_embd.weight')!.shape[0]!;
  checkShape(tensors, layerTable, [rows, columns], file);
  return { tensors: found, table: layerTable };
}
