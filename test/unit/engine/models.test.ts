import { copyFileSync, readdirSync, readlinkSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { OpenModels } from '../../../src/engine/models';
import type { Model } from '../../../src/model/openModel';
import { sampleWeights, safetensorsBytes, temporaryFolder, writeFile } from '../../support/files';

const never = new AbortController().signal;
const folder = temporaryFolder();
const header = (name: string) => ({ [name]: { dtype: 'F32', shape: [2], data_offsets: [0, 8] } });
const fileOf = (name: string): string =>
  writeFile(folder, `${name}.safetensors`, safetensorsBytes(header(name), 8));

let models = new OpenModels();
afterEach(async () => {
  await models.close();
  models = new OpenModels();
});

const opened = (path: string, signal = never): Promise<Model> =>
  models.use({ path }, signal, (model) => Promise.resolve(model));

/** Whether the model's file is still open. */
async function isOpen(model: Model): Promise<boolean> {
  try {
    await model.read(model.description.tensors[0]!, 0, 4);
    return true;
  } catch {
    return false;
  }
}

describe('OpenModels', () => {
  it('opens a model once', async () => {
    const path = fileOf('once');
    expect(await opened(path)).toBe(await opened(path));
  });

  it('keeps a shard alone apart from the model that it is part of', async () => {
    const shards = [1, 2].map((i) => fileOf(`keep-0000${i}-of-00002`));
    const path = shards[0]!;
    const counts = [];
    for (const alone of [false, true, false])
      counts.push(
        await models.use({ path, alone }, never, ({ description }) =>
          Promise.resolve(description.files.length),
        ),
      );
    expect(counts).toEqual([2, 1, 2]);
  });

  it('opens a file that changed again', async () => {
    const path = join(folder, 'changing.safetensors');
    copyFileSync(fileOf('before'), path);
    const before = await opened(path);
    copyFileSync(fileOf('after'), path);
    utimesSync(path, new Date(), new Date(Date.now() + 5000));
    const after = await opened(path);
    expect(after.description.tensors[0]!.name).toBe('after');
    expect(await isOpen(before)).toBe(false);
  });

  it('closes the model that was not used for longest', async () => {
    const paths = ['a', 'b', 'c', 'd'].map(fileOf);
    const first = await opened(paths[0]!);
    const second = await opened(paths[1]!);
    await opened(paths[2]!);
    await opened(paths[3]!);
    expect(await opened(paths[0]!)).toBe(first); // used again: b is the oldest now
    await opened(fileOf('e'));
    expect(await isOpen(first)).toBe(true);
    expect(await isOpen(second)).toBe(false);
  });

  it('does not cancel the others that wait for the same model', async () => {
    const controller = new AbortController();
    const mine = opened(sampleWeights, controller.signal).catch((error: { code: string }) => error.code);
    const theirs = opened(sampleWeights);
    controller.abort();
    expect((await theirs).description.tensors).toHaveLength(57);
    expect(await mine).toBe('CANCELLED');
  });

  it('opens one model for requests that come together', async () => {
    const path = fileOf('together');
    const all = await Promise.all(Array.from({ length: 5 }, () => opened(path)));
    expect(new Set(all).size).toBe(1);
  });

  it('does not keep a model that failed to open', async () => {
    const path = writeFile(folder, 'late.safetensors', 'not yet');
    await expect(opened(path)).rejects.toMatchObject({ code: 'MODEL_FILE' });
    writeFile(folder, 'late.safetensors', safetensorsBytes(header('late'), 8));
    expect((await opened(path)).description.tensors[0]!.name).toBe('late');
  });
});

/** Files of this process that are open now, at this path. */
const openHandles = (path: string): number =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path;
    } catch {
      return false; // closed meanwhile
    }
  }).length;

describe.skipIf(process.platform !== 'linux')('an opening that is cancelled', () => {
  it('leaves no file open, whenever the cancel comes', async () => {
    const path = fileOf('cancelled');
    for (let turns = 0; turns < 40; turns++) {
      const controller = new AbortController();
      const call = opened(path, controller.signal).catch(() => undefined);
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
      controller.abort();
      await call;
      await models.close();
      expect(openHandles(path), `cancelled after ${turns} turns`).toBe(0);
      models = new OpenModels();
    }
  });
});
