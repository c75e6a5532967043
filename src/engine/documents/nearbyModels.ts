import { sourcesOf } from '../../architectures/convertedTensor';
import type { CheckedModel } from '../../ampq/planText/faults';
import { candidatesOf } from '../../exporter/plan/candidates';
import { QuantscopeError, throwIfCancelled } from '../../model/errors';
import { modelHash } from '../../model/identity';
import type { Model } from '../../model/model';
import type { ModelDescription } from '../../protocol/model';
import { isCurrent, type OpenModels } from '../models';

/** Models whose hashes are remembered. */
const maxKnown = 64;

interface KnownModel extends Pick<ModelDescription, 'name' | 'files'> {
  readonly hash: string;
}

/** What documents are checked against; hashes and candidates are kept, as a document is checked again and again while it is written. */
export class NearbyModels {
  private readonly known = new Map<string, KnownModel>();
  private readonly checked = new WeakMap<ModelDescription, CheckedModel>();

  constructor(private readonly models: OpenModels) {}

  /**
   * The first model of some paths that a plan was made for.
   * @returns the names of the others too, where none of them has the hash. @throws QuantscopeError CANCELLED.
   */
  async withHash(
    hash: string,
    paths: readonly string[],
    signal: AbortSignal,
  ): Promise<
    { readonly path: string; readonly model: CheckedModel } | { readonly others: readonly string[] }
  > {
    const others: string[] = [];
    for (const path of paths) {
      throwIfCancelled(signal);
      const known = await this.identity(path, signal);
      if (!known) continue;
      if (known.hash === hash) return { path, model: await this.model(path, signal) };
      others.push(known.name);
    }
    return { others };
  }

  /** The first path that leads to a model, and work on that; undefined where none does. @throws what the work throws. */
  async first<T>(
    paths: readonly string[],
    signal: AbortSignal,
    work: (model: Model, path: string) => T,
  ): Promise<T | undefined> {
    for (const path of paths)
      if (await this.identity(path, signal))
        return this.models.use({ path }, signal, (model) => Promise.resolve(work(model, path)));
    return undefined;
  }

  private model(path: string, signal: AbortSignal): Promise<CheckedModel> {
    return this.models.use({ path }, signal, async (model) => {
      const { description } = model;
      const kept = this.checked.get(description);
      if (kept) return kept;
      const candidates = await candidatesOf(model, { signal });
      const byName = new Map(candidates.tensors.map((item) => [item.converted.name, item]));
      const sources = candidates.tensors.map(({ converted }) => sourcesOf(converted).map(({ name }) => name));
      const found = { name: description.name, hash: modelHash(description), candidates, byName, sources };
      this.checked.set(description, found);
      return found;
    });
  }

  /** Undefined for a path that does not lead to a model. */
  private async identity(path: string, signal: AbortSignal): Promise<KnownModel | undefined> {
    const kept = this.known.get(path);
    if (kept && (await isCurrent(kept))) return kept;
    this.known.delete(path);
    try {
      return await this.models.use({ path }, signal, ({ description }) => {
        const { name, files } = description;
        const found = { name, files, hash: modelHash(description) };
        this.known.set(path, found);
        if (this.known.size > maxKnown) this.known.delete(this.known.keys().next().value!);
        return Promise.resolve(found);
      });
    } catch (error) {
      if (error instanceof QuantscopeError && error.code !== 'CANCELLED') return undefined;
      throw error;
    }
  }
}
