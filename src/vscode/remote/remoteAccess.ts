import { accessVariable, type RemoteAccess } from '../../model/remote/access';
import { isRecord } from '../../model/json';

/** Where secrets are kept: VS Code's storage. */
export interface Secrets {
  get(key: string): PromiseLike<string | undefined>;
  store(key: string, value: string): PromiseLike<void>;
  delete(key: string): PromiseLike<void>;
}

export const secretKey = 'quantscope.remoteAccess';

/** Signed addresses that are kept, so that their models open again with the window; they expire by themselves. */
const maxQueries = 32;

interface Kept {
  readonly queries: Readonly<Record<string, string>>;
  readonly tokens: Readonly<Record<string, string>>;
}

const nothing: Kept = { queries: {}, tokens: {} };

/** Tokens and signatures for models on servers. Engine processes get them when they start; new ones are started after a change. */
export class RemoteAccessStore {
  private kept = nothing;
  /** Resolves once what earlier windows kept is read; never rejects. */
  readonly ready: Promise<void>;

  /**
   * @param changed is called when access has changed: new engine processes take the place of those with outdated access.
   * @param failed what is called where secrets cannot be kept: they are good for this window then.
   */
  constructor(
    private readonly secrets: Secrets,
    private readonly changed: () => void,
    private readonly failed: (error: unknown) => void,
  ) {
    this.ready = this.read();
  }

  /** Whether there is anything to forget. */
  get isEmpty(): boolean {
    return [this.kept.queries, this.kept.tokens].every((kept) => Object.keys(kept).length === 0);
  }

  /** For the environment of an engine process. @param proxy of the settings; '' for none. */
  environment(proxy: string): Record<string, string> {
    const access: RemoteAccess = { ...this.kept, ...(proxy === '' ? {} : { proxy }) };
    return { [accessVariable]: JSON.stringify(access) };
  }

  /** Keeps what follows a path in requests. */
  async addQuery(path: string, query: string): Promise<void> {
    await this.ready;
    const { [path]: before, ...others } = this.kept.queries;
    if (before === query || (before === undefined && query === '')) return;
    const latest = [...Object.entries(others).slice(1 - maxQueries), [path, query]];
    await this.change({ ...this.kept, queries: Object.fromEntries(latest) as Record<string, string> });
  }

  async setToken(server: string, token: string): Promise<void> {
    await this.ready;
    await this.change({ ...this.kept, tokens: { ...this.kept.tokens, [server]: token } });
  }

  /** Forgets tokens and signatures. */
  async forget(): Promise<void> {
    await this.ready;
    await this.change(nothing);
  }

  /** Reads what was kept, also by another window. */
  async read(): Promise<void> {
    try {
      const text = await this.secrets.get(secretKey);
      const kept = text === undefined ? nothing : parsed(text);
      if (JSON.stringify(kept) === JSON.stringify(this.kept)) return;
      this.kept = kept;
      this.changed();
    } catch (error) {
      this.failed(error);
    }
  }

  private async change(kept: Kept): Promise<void> {
    this.kept = kept;
    this.changed();
    try {
      if (kept === nothing) await this.secrets.delete(secretKey);
      else await this.secrets.store(secretKey, JSON.stringify(kept));
    } catch (error) {
      this.failed(error);
    }
  }
}

/** What another version wrote otherwise is forgotten. */
function parsed(text: string): Kept {
  try {
    const value: unknown = JSON.parse(text);
    const { queries, tokens } = isRecord(value) ? value : {};
    return { queries: texts(queries), tokens: texts(tokens) };
  } catch {
    return nothing;
  }
}

const texts = (value: unknown): Record<string, string> =>
  Object.fromEntries(
    Object.entries(isRecord(value) ? value : {}).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    ),
  );
