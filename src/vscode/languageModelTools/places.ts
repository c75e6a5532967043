import { isInsideOf, pathAmong, realPlace } from '../../files/insideFolders';
import { linkLeadingOut } from '../../files/linksOut';
import { QuantscopeError } from '../../model/errors';
import { absolutePlace } from '../../model/place';
import { isAddress } from '../../model/remote/address';

/** What places are judged by; a window of VS Code, replaced in tests. */
export interface Surroundings {
  /** The folders of the workspace that lie on this machine; absolute. */
  readonly folders: () => readonly string[];
  /** What open models are made of: their folders of checkpoints, their files, and the addresses of those on servers. */
  readonly open: () => readonly string[];
}

/**
 * What a language model may read and write: what lies in the workspace, and models that the user has opened. Anything else would be a choice of the
 * language model, whose words may come from a page or a file that it has read.
 */
export class ToolPlaces {
  constructor(private readonly surroundings: Surroundings) {}

  /**
   * What a text names for reading; a relative path starts at the first folder of the workspace. An address is read once the user has agreed, which is
   * asked before a tool runs (`unopenedAddresses`).
   * @throws QuantscopeError REQUEST for a path outside.
   */
  async place(text: string): Promise<string> {
    if (isAddress(text)) return absolutePlace(text);
    const folders = this.surroundings.folders();
    const path = pathAmong(folders, text);
    if ((await isInsideOf(folders, path)) || (await this.isOpen(path))) return path;
    throw new QuantscopeError(
      'REQUEST',
      `${path} lies outside of the workspace and is not open. Open the model in VS Code, or a folder that holds it.`,
    );
  }

  /** The same of a model: what the user has opened is read with all that belongs to it. @throws QuantscopeError REQUEST also for one with a link outside among its files. */
  async modelPlace(text: string): Promise<string> {
    const path = await this.place(text);
    if (isAddress(path) || (await this.isOpen(path))) return path;
    const link = await linkLeadingOut(this.surroundings.folders(), path);
    if (link === undefined) return path;
    throw new QuantscopeError(
      'REQUEST',
      `${link} is a link to what lies outside of the workspace. Open the model in VS Code to have it read.`,
    );
  }

  private async isOpen(path: string): Promise<boolean> {
    const real = await realPlace(path);
    for (const open of this.surroundings.open())
      if (!isAddress(open) && (await realPlace(open)) === real) return true;
    return false;
  }

  /** The same of a file to write, which lies in the workspace. @throws QuantscopeError REQUEST for anything else. */
  async target(text: string): Promise<string> {
    if (isAddress(text))
      throw new QuantscopeError('REQUEST', `${text} is on a server: nothing is written there.`);
    const folders = this.surroundings.folders();
    const path = pathAmong(folders, text);
    if (await isInsideOf(folders, path)) return path;
    throw new QuantscopeError('REQUEST', `${path} lies outside of the workspace: nothing is written there.`);
  }

  /** The addresses among the values of an input that no open model has. @throws QuantscopeError REQUEST for one that is invalid. */
  unopenedAddresses(input: Readonly<Record<string, unknown>>): readonly string[] {
    const open = new Set(this.surroundings.open());
    return Object.values(input)
      .filter((value) => typeof value === 'string')
      .filter((text) => isAddress(text) && !open.has(absolutePlace(text)));
  }
}
