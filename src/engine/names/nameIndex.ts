import { ggufView } from '../../architectures/ggufView';
import { restoreCheckpoint } from '../../architectures/restore/restoreCheckpoint';
import { sourcesOf } from '../../architectures/convertedTensor';
import { QuantscopeError, throwIfCancelled } from '../../model/errors';
import type { Model } from '../../model/model';
import type { ModelDescription, TensorDescriptor } from '../../protocol/model';
import { isCurrent, type OpenModels } from '../models';

/** Maximum number of tensors in the index: beyond it, the least recently used models are dropped. */
const maxIndexed = 2_000_000;

/** Time for which the files of a model are taken to be as they were (ms): a pointer that moves over a text asks many times. */
const trusted = 1_000;

/** A tensor of a model and its names. */
export interface IndexedTensor {
  readonly tensor: TensorDescriptor;
  /** Names of the tensors of the exported file that it becomes part of; its own where there is no other. */
  readonly exported: readonly string[];
  /** Names in the checkpoint that a GGUF file can have been made from. */
  readonly restored: readonly string[];
}

export interface IndexedModel {
  readonly path: string;
  readonly name: string;
  readonly files: ModelDescription['files'];
  readonly tensors: readonly IndexedTensor[];
  /** Places in `tensors` by each of their names. */
  readonly byName: ReadonlyMap<string, readonly number[]>;
}

/** Names of the tensors of many models in both schemes; a model's headers are read at its first lookup and when its files have changed. */
export class NameIndex {
  /** Looked up last at the end. */
  private readonly byPath = new Map<string, { readonly model: IndexedModel; checked: number }>();

  constructor(private readonly models: OpenModels) {}

  /** Undefined for a path that does not lead to a model. @throws QuantscopeError CANCELLED. */
  async model(path: string, signal: AbortSignal): Promise<IndexedModel | undefined> {
    throwIfCancelled(signal);
    const known = this.byPath.get(path);
    if (known && Date.now() - known.checked < trusted) return known.model;
    const checked = Date.now();
    const model = known && (await isCurrent(known.model)) ? known.model : await this.read(path, signal);
    this.byPath.delete(path);
    if (model) this.byPath.set(path, { model, checked });
    this.trim();
    return model;
  }

  private async read(path: string, signal: AbortSignal): Promise<IndexedModel | undefined> {
    try {
      return await this.models.use({ path }, signal, (model) => indexed(model, path, signal));
    } catch (error) {
      if (error instanceof QuantscopeError && error.code !== 'CANCELLED') return undefined;
      throw error;
    }
  }

  private trim(): void {
    let total = 0;
    for (const { model } of this.byPath.values()) total += model.tensors.length;
    for (const [path, { model }] of this.byPath) {
      if (total <= maxIndexed || this.byPath.size === 1) return;
      this.byPath.delete(path);
      total -= model.tensors.length;
    }
  }
}

async function indexed(model: Model, path: string, signal: AbortSignal): Promise<IndexedModel> {
  const { name, files, tensors } = model.description;
  const exported = model.gguf ? undefined : await exportedNames(model, signal);
  const restored = model.gguf ? await restoredNames(model, signal) : undefined;
  const entries = tensors.map((tensor) => ({
    tensor,
    exported: exported?.get(tensor.name) ?? [tensor.name],
    restored: restored?.get(tensor.name) ?? [],
  }));
  return { path, name, files, tensors: entries, byName: placesByName(entries) };
}

function placesByName(entries: readonly IndexedTensor[]): Map<string, number[]> {
  const places = new Map<string, number[]>();
  for (const [at, { tensor, exported, restored }] of entries.entries())
    for (const name of new Set([tensor.name, ...exported, ...restored])) {
      const known = places.get(name);
      if (known) known.push(at);
      else places.set(name, [at]);
    }
  return places;
}

type Names = ReadonlyMap<string, readonly string[]>;

/** Of a checkpoint that can be exported; undefined for others. @throws QuantscopeError CANCELLED. */
const exportedNames = (model: Model, signal: AbortSignal): Promise<Names | undefined> =>
  whereKnown(async () => {
    const { tensors } = await ggufView(model, signal);
    return namesBySource(tensors.map((converted) => [converted.name, sourcesOf(converted)] as const));
  });

/** Of a GGUF file that a checkpoint can be made of again; undefined for others. @throws QuantscopeError CANCELLED. */
const restoredNames = (model: Model, signal: AbortSignal): Promise<Names | undefined> =>
  whereKnown(async () => {
    const { tensors } = await restoreCheckpoint(model, signal);
    return namesBySource(tensors.map(({ name, rows }) => [name, rows.flatMap(sourcesOf)] as const));
  });

async function whereKnown(read: () => Promise<Names>): Promise<Names | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof QuantscopeError && error.code !== 'CANCELLED') return undefined;
    throw error;
  }
}

function namesBySource(made: readonly (readonly [string, readonly TensorDescriptor[]])[]): Names {
  const names = new Map<string, string[]>();
  for (const [name, sources] of made)
    for (const source of new Set(sources.map((tensor) => tensor.name))) {
      const known = names.get(source);
      if (known) known.push(name);
      else names.set(source, [name]);
    }
  return names;
}
