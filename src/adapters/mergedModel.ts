import { createHash } from 'node:crypto';
import { suggestion } from '../model/closest';
import { safetensorsDtype } from '../model/dtypes';
import { QuantscopeError } from '../model/errors';
import type { Model, ReadInto } from '../model/model';
import { readAs } from '../model/rows';
import { loadNative } from '../native';
import type { AdapterRef, ModelFileIdentity, TensorDescriptor } from '../protocol/model';
import { plural } from '../protocol/words';
import { said } from '../protocol/said';
import { addChanges, readLowRank, type LowRank } from './lowRank';
import { openAdapter, type Adapter } from './openAdapter';
import { weightChanges, type WeightChange } from './weightChanges';

interface WeightedChange extends WeightChange {
  readonly weight: number;
}

/** Tensors whose factors are kept for further reads of parts of them. */
const keptTensors = 2;

/**
 * A model with adapters merged into it: each weight that one changes is base + Σ weight · alpha / divisor · B · A, summed in float64, and reads
 * as float32. Whatever takes a model takes this one. Its identity covers the adapters and their weights; closing it closes the base.
 * @throws QuantscopeError as `openAdapter` and `weightChanges`; UNSUPPORTED for parts that take the place of weights and have a weight.
 */
export async function mergedModel(
  base: Model,
  refs: readonly AdapterRef[],
  signal?: AbortSignal,
): Promise<Model> {
  const adapters: Adapter[] = [];
  try {
    for (const { path } of refs) adapters.push(await openAdapter(path, signal));
    const changes = changesOf(base, adapters, refs);
    return withChanges(base, changes, adapters, refs);
  } catch (error) {
    await closeAll(adapters);
    throw error;
  }
}

const closeAll = async (adapters: readonly Adapter[]): Promise<void> => {
  for (const adapter of adapters) await adapter.close();
};

function changesOf(
  base: Model,
  adapters: readonly Adapter[],
  refs: readonly AdapterRef[],
): Map<string, WeightedChange[]> {
  const changes = new Map<string, WeightedChange[]>();
  adapters.forEach((adapter, i) => {
    const { weight } = refs[i]!;
    for (const [name, change] of weightChanges(base, adapter)) {
      const others = changes.get(name) ?? [];
      checkReplacement(change, weight, others);
      changes.set(name, [...others, { ...change, weight }]);
    }
  });
  for (const name of changes.keys()) checkBase(base.tensor(name));
  return changes;
}

/** A tensor that takes another's place is not a change of it that could be weighted or added to others. */
function checkReplacement(
  { whole, tensor }: WeightChange,
  weight: number,
  others: readonly WeightedChange[],
) {
  const place = whole && { file: whole.file, tensor: whole.name, offset: whole.offset };
  if (place && weight !== 1) {
    const message = said`The adapter replaces "${tensor.name}": it can only be merged with weight 1, not ${weight}.`;
    throw new QuantscopeError('UNSUPPORTED', message, place);
  }
  if (place && others.length > 0) {
    const message = said`The adapter replaces "${tensor.name}", which another adapter changes, too.`;
    throw new QuantscopeError('UNSUPPORTED', message, place);
  }
}

function checkBase({
  name,
  dtype,
  file,
  offset,
  readable,
  stored,
  unreadableReason,
}: TensorDescriptor): void {
  const plain = safetensorsDtype(dtype);
  if (readable && (stored || (plain?.float && plain.decodable))) return;
  const why = unreadableReason ?? said`its dtype is ${dtype}`;
  throw new QuantscopeError('UNSUPPORTED', said`An adapter cannot be merged into this weight: ${why}.`, {
    ...{ file, tensor: name, offset },
  });
}

function withChanges(
  base: Model,
  changes: ReadonlyMap<string, readonly WeightedChange[]>,
  adapters: readonly Adapter[],
  refs: readonly AdapterRef[],
): Model {
  const { description } = base;
  const tensors = description.tensors.map((tensor) => (changes.has(tensor.name) ? merged(tensor) : tensor));
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const bytesOf = (list: readonly TensorDescriptor[]) =>
    list.reduce((sum, { byteLength, name }) => sum + (changes.has(name) ? byteLength : 0), 0);
  const readInto = mergedReads(base, changes);
  const dangers = [...(description.dangers ?? []), ...adapters.flatMap((adapter) => adapter.dangers)];
  return {
    ...base,
    merged: new Map([...changes.keys()].map((name) => [name, base.tensor(name)])),
    description: {
      ...description,
      tensors,
      dataBytes: description.dataBytes - bytesOf(description.tensors) + bytesOf(tensors),
      files: [...description.files, ...adapters.flatMap((adapter, i) => filesOf(adapter, refs[i]!.weight))],
      notes: [...description.notes, ...adapters.map((adapter, i) => noteOf(adapter, refs[i]!.weight))],
      ...(dangers.length > 0 ? { dangers } : {}),
    },
    tensor(name) {
      const tensor = byName.get(name);
      if (tensor) return tensor;
      const message = said`The model has no such tensor.${suggestion(name, byName.keys())}`;
      throw new QuantscopeError('REQUEST', message, { file: description.path, tensor: name });
    },
    async read(tensor, offset, length, signal) {
      const bytes = new Uint8Array(length);
      await readInto(tensor, offset, bytes, signal);
      return bytes;
    },
    readInto,
    codes: (tensor) => (changes.has(tensor.name) ? undefined : base.codes(tensor)),
    async close() {
      await closeAll(adapters);
      await base.close();
    },
  };
}

/** A weight that is computed in float32, whatever the base stores. */
function merged({ name, shape, elements, file, offset }: TensorDescriptor): TensorDescriptor {
  return {
    ...{ name, shape, elements, file, offset },
    dtype: 'F32',
    byteLength: 4 * elements,
    readable: true,
  };
}

/** Files of an adapter as parts of a model's identity, which its weight changes. */
function filesOf({ weights, config }: Adapter, weight: number): ModelFileIdentity[] {
  const text = JSON.stringify([weights.headerHash, config.identity.headerHash, weight]);
  const headerHash = createHash('sha256').update(text).digest('hex');
  return [{ ...weights, headerHash }, config.identity];
}

function noteOf({ name, changes, whole }: Adapter, weight: number): string {
  const replaced = whole.size > 0 ? said` and ${plural(whole.size, said`replaced tensor`)}` : '';
  return said`The adapter ${name} is merged with weight ${weight}: ${plural(changes.length, said`low-rank change`)}${replaced}. Merged weights read as F32.`;
}

function mergedReads(base: Model, changes: ReadonlyMap<string, readonly WeightedChange[]>): ReadInto {
  const factors = new KeptFactors(changes);
  return async (tensor, offset, target, signal) => {
    const of = changes.get(tensor.name);
    if (!of) return base.readInto(tensor, offset, target, signal);
    const first = offset / 4;
    const values = new Float32Array(target.length / 4);
    await readBase(base, of, first, values, signal);
    const columns = tensor.shape.at(-1) ?? 1;
    addChanges(values, first, columns, await factors.of(tensor.name));
    target.set(new Uint8Array(values.buffer));
  };
}

/** Weights before low-rank changes: those of the base, or what takes their place. */
async function readBase(
  base: Model,
  [first]: readonly WeightedChange[],
  start: number,
  values: Float32Array,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { adapter, whole, tensor } = first!;
  if (whole) {
    values.set(await adapter.floats(whole, { first: start, count: values.length }, signal));
    return;
  }
  const { dtype, bytes } = readAs(tensor);
  const size = bytes / tensor.elements;
  const data = await base.read(tensor, start * size, values.length * size, signal);
  await loadNative().decode(dtype, data, values, signal);
}

type Weighted = readonly { readonly lowRank: LowRank; readonly weight: number }[];

/** Factors of the tensors that were read last. */
class KeptFactors {
  private kept: { readonly name: string; readonly factors: Promise<Weighted> }[] = [];

  constructor(private readonly changes: ReadonlyMap<string, readonly WeightedChange[]>) {}

  /** Not cancelled with one reader: others may wait for the same. */
  of(name: string): Promise<Weighted> {
    const found = this.kept.find((item) => item.name === name);
    const item = found ?? { name, factors: readAll(this.changes.get(name)!) };
    this.kept = [...this.kept.filter((other) => other !== item).slice(-(keptTensors - 1)), item];
    if (!found) item.factors.catch(() => (this.kept = this.kept.filter((other) => other !== item)));
    return item.factors;
  }
}

async function readAll(changes: readonly WeightedChange[]): Promise<Weighted> {
  const found: { lowRank: LowRank; weight: number }[] = [];
  for (const change of changes) {
    const lowRank = await readLowRank(change);
    if (lowRank) found.push({ lowRank, weight: change.weight });
  }
  return found;
}
