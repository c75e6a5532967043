import { QuantscopeError } from '../model/errors';
import { suggestion } from '../model/closest';
import type { Model } from '../model/model';
import type { TensorDescriptor } from '../protocol/model';
import { said } from '../protocol/said';
import type { Adapter, ModuleChange } from './openAdapter';

/** What an adapter does to one tensor of its base. */
export interface WeightChange {
  readonly adapter: Adapter;
  readonly tensor: TensorDescriptor;
  /** What takes its place, before the change. */
  readonly whole?: TensorDescriptor;
  readonly change?: ModuleChange;
  /** Set where the change is one of the transposed tensor. */
  readonly isTransposed?: boolean;
}

/** Names of parts that classes and wrappers put before those of layers. */
const outer = /^((base_)?model|language_model|text_model|transformer|backbone)\./;

function bareName(name: string): string {
  let bare = name;
  while (outer.test(bare)) bare = bare.replace(outer, '');
  return bare;
}

/**
 * The tensors of a base that an adapter changes, by name.
 * @throws QuantscopeError MODEL_FILE naming what the base does not have, or has in another shape; UNSUPPORTED for bases whose weights
 * have no names of a checkpoint, and for an embedding that is the output, too.
 */
export function weightChanges(base: Model, adapter: Adapter): Map<string, WeightChange> {
  if (base.gguf)
    throw new QuantscopeError(
      'UNSUPPORTED',
      said`An adapter has the names of a checkpoint, and the model is a GGUF file: export its checkpoint with the adapter, or the adapter for llama.cpp (export-lora).`,
      { file: base.description.path },
    );
  const names = new BaseNames(base);
  const found = new Map<string, WeightChange>();
  for (const [name, whole] of adapter.whole) {
    const tensor = names.find(name, whole);
    if (tensor.shape.join() !== whole.shape.join()) throw misshaped(whole, tensor);
    found.set(tensor.name, { adapter, tensor, whole });
  }
  for (const change of adapter.changes) {
    const tensor = names.find(`${change.module}.weight`, change.a);
    if (found.get(tensor.name)?.change) throw twice(change, tensor);
    const isTransposed = orientation(change, tensor, adapter.config.fanInFanOut);
    found.set(tensor.name, { ...found.get(tensor.name), adapter, tensor, change, isTransposed });
  }
  if (found.size === 0)
    throw new QuantscopeError('MODEL_FILE', said`The adapter changes nothing.`, {
      file: adapter.weights.path,
    });
  refuseTied(names, found);
  return found;
}

/** Tensors of a base by their names, and by names without what wrappers add. */
class BaseNames {
  private readonly exact: ReadonlyMap<string, TensorDescriptor>;
  private readonly bare = new Map<string, TensorDescriptor[]>();

  constructor(base: Model) {
    const { tensors } = base.description;
    this.exact = new Map(tensors.map((tensor) => [tensor.name, tensor]));
    for (const tensor of tensors) {
      const name = bareName(tensor.name);
      this.bare.set(name, [...(this.bare.get(name) ?? []), tensor]);
    }
  }

  /** @param of the tensor of the adapter, for errors. */
  find(name: string, of: TensorDescriptor): TensorDescriptor {
    const exact = this.exact.get(name);
    if (exact) return exact;
    const [tensor, ...others] = this.bare.get(bareName(name)) ?? [];
    if (tensor && others.length === 0) return tensor;
    const why = tensor
      ? said`could be ${[tensor, ...others].map((other) => other.name).join(' or ')} of the model`
      : said`is not in the model.${suggestion(name, this.exact.keys())}`;
    throw new QuantscopeError('MODEL_FILE', said`The adapter is for another model: "${name}" ${why}`, {
      ...{ file: of.file, tensor: of.name, offset: of.offset },
    });
  }

  has(bare: RegExp): boolean {
    return [...this.bare.keys()].some((name) => bare.test(name));
  }
}

/**
 * Whether the factors multiply to the transpose of the tensor. PEFT asks the class of the module; its configuration says the same of square
 * matrices, and shapes of all others.
 */
function orientation(change: ModuleChange, tensor: TensorDescriptor, fanInFanOut: boolean): boolean {
  const [rows, columns] = tensor.shape;
  const [out, into] = [change.b.shape[0], change.a.shape[1]];
  const fits = tensor.shape.length === 2 && out === rows && into === columns;
  const fitsTransposed = tensor.shape.length === 2 && out === columns && into === rows;
  const isTransposed = change.isEmbedding || (fanInFanOut ? fitsTransposed : !fits);
  if (isTransposed ? fitsTransposed : fits) return isTransposed;
  throw misshaped(change.b, tensor, ` ${out} × ${into}`);
}

function misshaped(
  of: TensorDescriptor,
  { name, shape }: TensorDescriptor,
  product = ` [${of.shape.join(', ')}]`,
) {
  const message = said`The adapter is for another model: it changes a weight of${product}, and "${name}" is [${shape.join(', ')}] in the model.`;
  return new QuantscopeError('MODEL_FILE', message, { file: of.file, tensor: of.name, offset: of.offset });
}

function twice({ a }: ModuleChange, { name }: TensorDescriptor): QuantscopeError {
  const message = said`Two changes of the adapter are of "${name}".`;
  return new QuantscopeError('MODEL_FILE', message, { file: a.file, tensor: a.name, offset: a.offset });
}

const embeddingName = /^(embed_tokens|wte|embeddings|embed_in|tok_embeddings|word_embeddings)\.weight$/;
const outputName = /^(lm_head|output|embed_out)\.weight$/;

/** With PEFT only the embedding would change, where one matrix is embedding and output: a merge would change both. */
function refuseTied(names: BaseNames, found: ReadonlyMap<string, WeightChange>): void {
  const embedding = [...found.values()].find(({ tensor }) => embeddingName.test(bareName(tensor.name)));
  if (!embedding || names.has(outputName)) return;
  const { tensor } = embedding;
  throw new QuantscopeError(
    'UNSUPPORTED',
    said`The adapter changes the embedding, which is the output of this model as well: with PEFT only the embedding would change, merged both would.`,
    { file: tensor.file, tensor: tensor.name, offset: tensor.offset },
  );
}
