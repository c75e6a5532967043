import { stat } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { ensureUnchanged } from '../files/inputs';
import { openModel } from '../layouts/openModel';
import type { Model } from '../model/model';
import { usualConfigName } from '../model/modelName';
import { exists, joinPlace } from '../model/place';
import { isRemote } from '../model/remote/address';
import { hasRemoteChanged } from '../model/remote/remoteFiles';
import { untilCancelled } from '../model/untilCancelled';
import type { ModelDescription, ModelRef } from '../protocol/model';

/** Models kept open between requests: headers of large models take time to parse. */
const maxOpen = 4;
/** A model unused for this long is closed (ms): an open file cannot be replaced on Windows. */
const idleTime = 60_000;

interface Entry {
  readonly ref: Required<ModelRef>;
  readonly model: Promise<Model>;
  /** Cancels an opening that nobody awaits any more. */
  readonly opening: AbortController;
  users: number;
  opened: boolean;
  stale: boolean;
}

/** A model that stays open until it is let go. */
export interface HeldModel {
  readonly model: Model;
  readonly letGo: () => Promise<void>;
}

/** Opens models for the time of a request and keeps the most recent ones; a model whose files changed is reopened. */
export class OpenModels {
  /** Latest used first. */
  private readonly entries: Entry[] = [];
  /** Openings that nobody awaits, until they have released their files. */
  private readonly abandoned = new Set<Promise<void>>();
  private readonly holders = new Set<() => Promise<void>>();
  private idle: NodeJS.Timeout | undefined;

  /** @param onOpened called with every opened model. */
  constructor(private readonly onOpened?: (model: ModelDescription) => void) {}

  /** @throws QuantscopeError CANCELLED, and whatever opening and work throw. */
  async use<T>(ref: ModelRef, signal: AbortSignal, work: (model: Model) => Promise<T>): Promise<T> {
    const { entry, model } = await this.acquire(ref, signal);
    try {
      return await work(model);
    } finally {
      await this.release(entry);
    }
  }

  /** The same for figures that must be of one version of the files. @throws QuantscopeError also as `ensureUnchanged`. */
  useUnchanged<T>(ref: ModelRef, signal: AbortSignal, work: (model: Model) => Promise<T>): Promise<T> {
    return this.use(ref, signal, async (model) => {
      const result = await work(model);
      await ensureUnchanged(model.description);
      return result;
    });
  }

  /** Keeps a model open between requests. */
  async hold(ref: ModelRef, signal: AbortSignal): Promise<HeldModel> {
    const { entry, model } = await this.acquire(ref, signal);
    return { model, letGo: () => this.release(entry) };
  }

  /** Calls back before everything is closed, so that those who hold models let them go. */
  beforeClose(letGo: () => Promise<void>): void {
    this.holders.add(letGo);
  }

  /** Closes everything; requests must have ended. */
  async close(): Promise<void> {
    for (const letGo of this.holders) await letGo();
    clearTimeout(this.idle);
    await Promise.all([...this.entries.splice(0).map(closeEntry), ...this.abandoned]);
  }

  /** Counts the caller as a user before anything is awaited, so the model is not closed in the meantime. */
  private async acquire(ref: ModelRef, signal: AbortSignal): Promise<{ entry: Entry; model: Model }> {
    for (;;) {
      const found = this.entries.find((entry) => isSame(entry.ref, ref) && !entry.stale);
      const entry = found ?? this.open(ref);
      entry.users += 1;
      this.moveToFront(entry);
      try {
        const model = await untilCancelled(entry.model, signal);
        if (!found || (await isCurrent(model.description))) return { entry, model };
        entry.stale = true;
      } catch (error) {
        await this.release(entry);
        throw error;
      }
      await this.release(entry);
    }
  }

  private open({ path, alone = false, checked = false, adapters = [] }: ModelRef): Entry {
    const opening = new AbortController();
    const ref = { path, alone, checked, adapters };
    const model = openModel(ref, opening.signal);
    const entry: Entry = { ref, model, opening, users: 0, opened: false, stale: false };
    model.then(
      ({ description }) => {
        entry.opened = true;
        this.onOpened?.(description);
      },
      () => this.remove(entry), // those who wait get the error; it is not kept
    );
    return entry;
  }

  private async release(entry: Entry): Promise<void> {
    entry.users -= 1;
    if (entry.users === 0 && !entry.opened) {
      this.remove(entry);
      this.abandon(entry);
    }
    clearTimeout(this.idle);
    this.idle = setTimeout(() => void this.trim(0), idleTime).unref();
    await this.trim(maxOpen);
  }

  /** Cancels an opening. If it already finished when the signal fires, its model is closed. */
  private abandon(entry: Entry): void {
    entry.opening.abort();
    const closed = closeEntry(entry)
      .catch(() => undefined) // nobody uses it
      .finally(() => this.abandoned.delete(closed));
    this.abandoned.add(closed);
  }

  /** Closes unused models: stale ones, and all but the latest `keep`. */
  private async trim(keep: number): Promise<void> {
    const unused = this.entries.filter((entry, i) => entry.users === 0 && (entry.stale || i >= keep));
    unused.forEach((entry) => this.remove(entry));
    await Promise.all(unused.map(closeEntry));
  }

  private moveToFront(entry: Entry): void {
    this.remove(entry);
    this.entries.unshift(entry);
  }

  private remove(entry: Entry): void {
    const at = this.entries.indexOf(entry);
    if (at >= 0) this.entries.splice(at, 1);
  }
}

const isSame = (
  a: Required<ModelRef>,
  { path, alone = false, checked = false, adapters = [] }: ModelRef,
): boolean =>
  a.path === path && a.alone === alone && a.checked === checked && isDeepStrictEqual(a.adapters, adapters);

async function closeEntry(entry: Entry): Promise<void> {
  const model = await entry.model.catch(() => undefined); // one that failed to open holds nothing
  await model?.close();
}

type ReadFiles = Pick<ModelDescription, 'files'> &
  Partial<Pick<ModelDescription, 'folder' | 'format' | 'missingFiles'>>;

/**
 * Whether the files of a model are those that were read, by size and time of change; of those on servers, by the answers so far. A file that was
 * missing or damaged and is there may be complete by now; so may be a configuration that a checkpoint did not have.
 */
export async function isCurrent(read: ReadFiles): Promise<boolean> {
  const { files, folder } = read;
  if (folder !== undefined && !isRemote(folder))
    for (const path of absentFiles(folder, read)) if (await exists(path)) return false;
  for (const file of files) {
    if (isRemote(file.path)) {
      if (hasRemoteChanged(file.path)) return false;
      continue;
    }
    const now = await stat(file.path).catch(() => undefined);
    if (now?.size !== file.size || now.mtimeMs !== file.mtimeMs) return false;
  }
  return true;
}

/** Paths of files that would belong to a model and were not there. */
function absentFiles(folder: string, { files, format, missingFiles = [] }: ReadFiles): string[] {
  const config = joinPlace(folder, usualConfigName);
  const mayHaveConfig = format !== undefined && format !== 'gguf';
  const lacksConfig = mayHaveConfig && !files.some(({ path }) => path === config);
  return [...missingFiles.map((name) => joinPlace(folder, name)), ...(lacksConfig ? [config] : [])];
}
