import { getEventListeners } from 'node:events';
import {
  copyFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { OpenModels } from '../../../src/engine/models';
import type { Model } from '../../../src/model/model';
import { sampleWeights, safetensorsBytes, temporaryFolder, writeFile } from '../../support/files';

const never = new AbortController().signal;
const folder = temporaryFolder();
const header = (name: string) => ({ [name]: { dtype: 'F32', shape: [2], data_offsets: [0, 8] } });
const fileOf = (name: string): string =>
  writeFile(folder, `${name}.safetensors`, safetensorsBytes(header(name), 8));

let models = new OpenModels();
afterEach(async () => {
  vi.useRealTimers();
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

  it('opens a checkpoint again once it has a configuration, and then no more', async () => {
    const own = temporaryFolder();
    const path = writeFile(own, 'model.safetensors', safetensorsBytes(header('a'), 8));
    const before = await opened(path);
    expect(await opened(path)).toBe(before);
    writeFile(own, 'config.json', JSON.stringify({ model_type: 'llama' }));
    const after = await opened(path);
    expect(after.description.architecture).toBe('llama');
    expect(await opened(path)).toBe(after);
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

/** A use of a model that lasts until `end` is called. */
function using(path: string): Promise<{ model: Model; end: () => Promise<void> }> {
  return new Promise((started) => {
    const use: Promise<void> = models.use({ path }, never, (model) => {
      return new Promise((finish) => {
        const end = (): Promise<void> => {
          finish();
          return use;
        };
        started({ model, end });
      });
    });
  });
}

describe('a model in use', () => {
  it('stays open whatever else is opened, and is closed when its use ends', async () => {
    const used = await using(fileOf('used'));
    const others = [];
    for (const name of ['1', '2', '3', '4']) others.push(await opened(fileOf(name)));
    expect(await isOpen(used.model)).toBe(true);
    await used.end();
    expect(await isOpen(used.model)).toBe(false);
    for (const model of others) expect(await isOpen(model)).toBe(true);
  });

  it('stays open when its file changes, and is closed when its use ends', async () => {
    const path = fileOf('renewed');
    const used = await using(path);
    utimesSync(path, new Date(), new Date(Date.now() + 5000));
    const renewed = await opened(path);
    expect(renewed).not.toBe(used.model);
    expect(await isOpen(used.model)).toBe(true);
    await used.end();
    expect(await isOpen(used.model)).toBe(false);
    expect(await opened(path)).toBe(renewed);
  });

  it('counts its users', async () => {
    const path = fileOf('twice');
    const [first, second] = [await using(path), await using(path)];
    for (const name of ['1', '2', '3', '4']) await opened(fileOf(name));
    await first.end();
    expect(await isOpen(second.model)).toBe(true);
    await second.end();
    expect(await isOpen(second.model)).toBe(false);
  });

  it('is released when its work fails', async () => {
    const path = fileOf('failing');
    let model: Model | undefined;
    const failed = models.use({ path }, never, (given) => {
      model = given;
      return Promise.reject(new Error('no more'));
    });
    await expect(failed).rejects.toThrow('no more');
    for (const name of ['1', '2', '3', '4']) await opened(fileOf(name));
    expect(await isOpen(model!)).toBe(false);
  });
});

describe('a file', () => {
  it.each<[string, (path: string) => void]>([
    ['is older', (path) => utimesSync(path, new Date(), new Date(2020, 1))],
    [
      'has another size and the same time',
      (path) => {
        const { atime, mtime } = statSync(path);
        writeFileSync(
          path,
          safetensorsBytes({ more: { dtype: 'F32', shape: [4], data_offsets: [0, 16] } }, 16),
        );
        utimesSync(path, atime, mtime);
      },
    ],
  ])('that %s is opened again', async (_, change) => {
    const path = fileOf('varying');
    utimesSync(path, new Date(2024, 1), new Date(2024, 1));
    const before = await opened(path);
    expect(await opened(path)).toBe(before);
    change(path);
    const after = await opened(path);
    expect(after).not.toBe(before);
    expect(await opened(path)).toBe(after);
  });

  it('that is gone is an error', async () => {
    const path = fileOf('gone');
    const before = await opened(path);
    rmSync(path);
    await expect(opened(path)).rejects.toMatchObject({ place: { file: path } });
    expect(await isOpen(before)).toBe(false);
  });
});

describe('models that are not in use', () => {
  it('are closed after a minute, counted from the last use', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const path = fileOf('idle');
    const model = await opened(path);
    for (let use = 0; use < 2; use++) {
      vi.advanceTimersByTime(59_999);
      expect(await opened(path)).toBe(model);
    }
    vi.advanceTimersByTime(60_000);
    await expect.poll(() => isOpen(model)).toBe(false);
    expect(vi.getTimerCount()).toBe(0);
    expect(await opened(path)).not.toBe(model);
    await models.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('are reported once, when they were opened', async () => {
    const heard: string[] = [];
    const own = new OpenModels(({ files }) => heard.push(files[0]!.path));
    const [a, b] = [fileOf('heard'), fileOf('other')];
    for (const path of [a, b, a]) await own.use({ path }, never, () => Promise.resolve());
    await own.close();
    expect(heard).toEqual([a, b]);
  });
});

describe('a request', () => {
  it('that was cancelled before it began ends at once', async () => {
    await expect(opened(fileOf('late'), AbortSignal.abort())).rejects.toMatchObject({
      code: 'CANCELLED',
      message: 'The request was cancelled.',
    });
  });

  it('that is cancelled ends an opening that no other request waits for, and the next one opens again', async () => {
    const heard: string[] = [];
    const own = new OpenModels(({ files }) => heard.push(files[0]!.path));
    const path = fileOf('abandoned');
    const cancelled = new AbortController();
    const call = own.use({ path }, cancelled.signal, () => Promise.resolve());
    cancelled.abort();
    await expect(call).rejects.toMatchObject({ code: 'CANCELLED' });
    await own.close();
    expect(heard).toEqual([]);

    const again = new AbortController();
    const ended = own.use({ path }, again.signal, () => Promise.resolve());
    again.abort();
    await expect(ended).rejects.toMatchObject({ code: 'CANCELLED' });
    const name = await own.use({ path }, never, ({ description }) =>
      Promise.resolve(description.tensors[0]!.name),
    );
    expect(name).toBe('abandoned');
    await own.close();
    expect(heard).toEqual([path]);
  });

  it('leaves no listener at its signal', async () => {
    const { signal } = new AbortController();
    await opened(fileOf('heard'), signal);
    await expect.poll(() => getEventListeners(signal, 'abort')).toEqual([]);
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
