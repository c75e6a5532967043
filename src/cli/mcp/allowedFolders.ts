import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { RootsListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { isInsideOf, pathAmong } from '../../files/insideFolders';
import { linkLeadingOut } from '../../files/linksOut';
import { QuantscopeError } from '../../model/errors';
import { absolutePlace } from '../../model/place';
import { isAddress } from '../../model/remote/address';

/** The client as far as its folders are concerned. */
type Client = Pick<Server, 'getClientCapabilities' | 'listRoots' | 'setNotificationHandler'>;

/**
 * What tools may read and write: folders that the server was started with, else those of the client, else the working folder. Links are
 * followed before a path is compared, so that none leads out of them.
 */
export class AllowedFolders {
  /** Those of the client, until it says that they changed. */
  private asked: Promise<readonly string[]> | undefined;

  constructor(
    private readonly given: readonly string[],
    private readonly client: Client,
    private readonly allowRemote: boolean,
  ) {
    client.setNotificationHandler(RootsListChangedNotificationSchema, () => {
      this.asked = undefined;
    });
  }

  /** What a text names for reading; a relative path starts at the first folder. @throws QuantscopeError REQUEST for anything outside. */
  async place(text: string): Promise<string> {
    if (!isAddress(text)) return this.inside(text);
    if (this.allowRemote) return absolutePlace(text);
    throw new QuantscopeError('REQUEST', `${text} is on a server: --allow-remote permits to read it.`);
  }

  /** The same of a model. @throws QuantscopeError REQUEST also for one with a link outside among its files. */
  async modelPlace(text: string): Promise<string> {
    const path = await this.place(text);
    if (isAddress(path)) return path;
    const folders = await this.folders();
    const link = await linkLeadingOut(folders, path);
    if (link === undefined) return path;
    throw outside(`${link} is a link to what`, folders);
  }

  /** The same of a file to write, which is on this machine. */
  async target(text: string): Promise<string> {
    if (isAddress(text))
      throw new QuantscopeError('REQUEST', `${text} is on a server: nothing is written there.`);
    return this.inside(text);
  }

  private async inside(text: string): Promise<string> {
    const folders = await this.folders();
    const path = pathAmong(folders, text);
    if (await isInsideOf(folders, path)) return path;
    throw outside(path, folders);
  }

  private folders(): Promise<readonly string[]> {
    if (this.given.length > 0) return Promise.resolve(this.given);
    if (!this.client.getClientCapabilities()?.roots) return Promise.resolve([resolve('.')]);
    const asked = (this.asked ??= this.clientFolders());
    asked.catch(() => {
      if (this.asked === asked) this.asked = undefined; // an answer may come the next time
    });
    return asked;
  }

  private async clientFolders(): Promise<readonly string[]> {
    const { roots } = await this.client.listRoots();
    return roots.filter(({ uri }) => uri.startsWith('file:')).map(({ uri }) => fileURLToPath(uri));
  }
}

function outside(what: string, folders: readonly string[]): QuantscopeError {
  const allowed = folders.length === 0 ? 'no folder' : folders.join(', ');
  const message = `${what} is outside of what may be used (${allowed}). The option --root of the server names other folders.`;
  return new QuantscopeError('REQUEST', message);
}
