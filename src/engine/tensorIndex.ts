import { QuantscopeError, throwIfCancelled } from '../model/errors';
import type { FoundTensor, ModelDescription, TensorDescriptor } from '../protocol/model';
import { isCurrent, type OpenModels } from './models';

/** Maximum number of tensors in the index: beyond it, the least recently used models are dropped. */
const maxIndexed = 2_000_000;

interface IndexedModel {
  readonly description: Pick<ModelDescription, 'path' | 'name' | 'files'>;
  readonly tensors: ReadonlyMap<string, TensorDescriptor>;
}

/** Tensors of many models by name; a model's headers are read at its first lookup and when its files have changed. */
export class TensorIndex {
  /** Looked up last at the end. */
  private readonly byPath = new Map<string, IndexedModel>();

  constructor(private readonly models: OpenModels) {}

  /** @throws QuantscopeError CANCELLED. */
  async find(
    paths: readonly string[],
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<FoundTensor[]> {
    const found: FoundTensor[] = [];
    for (const path of paths) {
      throwIfCancelled(signal);
      const model = await this.model(path, signal);
      const tensor = names.map((name) => model?.tensors.get(name)).find((item) => item !== undefined);
      if (!model || !tensor) continue;
      const { name, dtype, shape, elements, byteLength } = tensor;
      found.push({
        model: { path, name: model.description.name },
        tensor: { name, dtype, shape, elements, byteLength },
      });
    }
    return found;
  }

  private async model(path: string, signal: AbortSignal): Promise<IndexedModel | undefined> {
    const known = this.byPath.get(path);
    this.byPath.delete(path);
    const model = known && (await isCurrent(known.description)) ? known : await this.read(path, signal);
    if (model) this.byPath.set(path, model);
    this.trim();
    return model;
  }

  private async read(path: string, signal: AbortSignal): Promise<IndexedModel | undefined> {
    try {
      return await this.models.use({ path }, signal, ({ description }) => {
        const tensors = new Map(description.tensors.map((tensor) => [tensor.name, tensor]));
        const { name, files } = description;
        return Promise.resolve({ description: { path, name, files }, tensors });
      });
    } catch (error) {
      if (error instanceof QuantscopeError && error.code !== 'CANCELLED') return undefined;
      throw error;
    }
  }

  private trim(): void {
    let total = 0;
    for (const { tensors } of this.byPath.values()) total += tensors.size;
    for (const [path, { tensors }] of this.byPath) {
      if (total <= maxIndexed || this.byPath.size === 1) return;
      this.byPath.delete(path);
      total -= tensors.size;
    }
  }
}
