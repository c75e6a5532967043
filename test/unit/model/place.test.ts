import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { listIfPresent, listPlace } from '../../../src/model/place';
import { registerAddress } from '../../../src/model/remote/access';
import { temporaryFolder, writeFile } from '../../support/files';
import { serveRanges, type Behaviour } from '../../support/rangeServer';

afterEach(() => void vi.unstubAllEnvs());

/** A folder of a Hub that answers every request so. */
async function folderOnHub(behaviour: Behaviour): Promise<string> {
  const server = await serveRanges(new Map());
  server.behave = () => behaviour;
  vi.stubEnv('HF_ENDPOINT', server.address);
  return `${server.address}/owner/model/resolve/main/templates`;
}

describe('a folder that may be absent', () => {
  it('has no files where it is absent, or is a file', async () => {
    const folder = temporaryFolder();
    const file = writeFile(folder, 'a.txt', 'a');
    expect(await listIfPresent(folder)).toEqual(['a.txt']);
    expect(await listIfPresent(join(folder, 'none'))).toEqual([]);
    expect(await listIfPresent(file)).toEqual([]);
    await expect(listPlace(join(folder, 'none'))).rejects.toThrow(/does not exist/);
  });

  it('has the files that the Hub lists, and none where it has no such folder', async () => {
    const json = [
      { type: 'file', path: 'templates/a.jinja' },
      { type: 'directory', path: 'templates/b' },
    ];
    expect(await listIfPresent(await folderOnHub({ json }))).toEqual(['a.jinja']);
    expect(await listIfPresent(await folderOnHub({ status: 404 }))).toEqual([]);
  });

  it('is an error where the Hub does not say: what is in it is not left out unnoticed', async () => {
    await expect(listIfPresent(await folderOnHub({ status: 401 }))).rejects.toThrow(/401/);
    await expect(listIfPresent(await folderOnHub({ json: 'page' }))).rejects.toThrow(/not as the Hub gives/);
  });

  it('has no files beside a signed address', async () => {
    const { address } = await serveRanges(new Map());
    registerAddress(`${address}/folder/m.gguf?signature=s`);
    expect(await listIfPresent(`${address}/folder`, 'all')).toEqual([]);
  });
});
