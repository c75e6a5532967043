import { stat } from 'node:fs/promises';
import { openModel, type Model } from '../model/openModel';

/** Models kept open between requests: headers of large models take time to parse. */
const maxOpen = 4;

interface Entry {
  readonly path: string;
  readonly model: Promise<Model>;
  users: number;
  stale: boolean;
}

/** Opens models for the time of a request and keeps the latest ones; a model whose files changed is opened anew. */
export class OpenModels {
  private readonly entries: Entry[] = [];

  async use<T>(path: string, signal: AbortSignal, work: (model: Model) => Promise<T>): Promise<T> {
    const entry = await this.entryFor(path, signal);
    entry.users += 1;
    try {
      return await work(await entry.model);
    } finally {
      entry.users -= 1;
      await this.trim();
    }
  }

  async close(): Promise<void> {
    for (const entry of this.entries.splice(0)) await (await entry.model).close();
  }

  private async entryFor(path: string, signal: AbortSignal): Promise<Entry> {
    const found = this.entries.find((entry) => entry.path === path && !entry.stale);
    if (found && (await isCurrent(await found.model))) return found;
    if (found) found.stale = true;
    const entry: Entry = { path, model: openModel(path, signal), users: 0, stale: false };
    this.entries.unshift(entry);
    entry.model.catch(() => this.remove(entry)); // the caller gets the error; it is not kept
    return entry;
  }

  private async trim(): Promise<void> {
    const idle = this.entries.filter((entry, i) => entry.users === 0 && (entry.stale || i >= maxOpen));
    for (const entry of idle) {
      this.remove(entry);
      await (await entry.model).close();
    }
  }

  private remove(entry: Entry): void {
    const at = this.entries.indexOf(entry);
    if (at >= 0) this.entries.splice(at, 1);
  }
}

async function isCurrent(model: Model): Promise<boolean> {
  for (const file of model.description.files) {
    const now = await stat(file.path).catch(() => undefined);
    if (now?.size !== file.size || now.mtimeMs !== file.mtimeMs) return false;
  }
  return true;
}
