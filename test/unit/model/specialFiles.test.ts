import { execFileSync } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openFileSource } from '../../../src/model/byteSource';
import { openModel } from '../../../src/layouts/openModel';
import { safetensorsBytes, temporaryFolder, writeFile } from '../../support/files';

/** A named pipe: who opens it for reading waits until somebody writes. */
function pipe(folder: string, name: string): string {
  const path = join(folder, name);
  execFileSync('mkfifo', [path]);
  return path;
}

const weights = safetensorsBytes({ a: { dtype: 'F32', shape: [2], data_offsets: [0, 8] } }, 8);

describe.skipIf(process.platform === 'win32')('what is not a regular file is never opened', () => {
  it('a named pipe as a model', async () => {
    const path = pipe(temporaryFolder(), 'model.safetensors');
    await expect(openModel(path)).rejects.toMatchObject({
      code: 'IO',
      message: `The path is a named pipe: a model is a regular file or a folder. (${path})`,
    });
  });

  it('a named pipe as the only model of a folder', async () => {
    const folder = temporaryFolder();
    pipe(folder, 'model.safetensors');
    await expect(openModel(folder)).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringContaining('it is a named pipe, not a regular file') as string,
    });
  });

  it('a named pipe as a shard', async () => {
    const folder = temporaryFolder();
    writeFile(folder, 'model-00001-of-00002.safetensors', weights);
    pipe(folder, 'model-00002-of-00002.safetensors');
    await expect(openModel(folder)).rejects.toThrow(
      'The file cannot be opened: it is a named pipe, not a regular file',
    );
  });

  it('a named pipe as config.json', async () => {
    const folder = temporaryFolder();
    writeFile(folder, 'model.safetensors', weights);
    pipe(folder, 'config.json');
    const model = await openModel(folder);
    await model.close();
    expect(model.description.warnings).toEqual([
      expect.stringMatching(/config\.json cannot be used: .*named pipe/),
    ]);
  });

  it.each(['/dev/zero', '/dev/null'])('the device %s', async (path) => {
    await expect(openModel(path)).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringContaining('The path is a device') as string,
    });
  });

  it('a socket', async () => {
    const path = join(temporaryFolder(), 's');
    const server = createServer();
    await new Promise<void>((listening) => server.listen(path, listening));
    onTestFinished(() => void server.close());
    await expect(openFileSource(path)).rejects.toThrow(/it is a socket, not a regular file/);
  });
});

describe('a model of very many tensors', () => {
  it('opens', async () => {
    const count = 200_000;
    const header = Array.from(
      { length: count },
      (_, i) => `"t${i}":{"dtype":"U8","shape":[1],"data_offsets":[${i},${i + 1}]}`,
    );
    const path = writeFile(temporaryFolder(), 'x.safetensors', safetensorsBytes(`{${header.join()}}`, count));
    const model = await openModel(path);
    await model.close();
    expect(model.description.parameters).toBe(count);
  });
});
