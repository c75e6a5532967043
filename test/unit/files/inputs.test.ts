import {
  appendFileSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { writeAtomically } from '../../../src/files/atomicFile';
import { Inputs, inputsOf, modelInputs, type StreamedFile } from '../../../src/files/inputs';
import { temporaryFolder } from '../../support/files';

const root = temporaryFolder();
let folder: string;
let tests = 0;
const here = (name: string): string => join(folder, name);
const weights = (): string => here('model.safetensors');
const asOpened = (path: string): StreamedFile => ({ path, ...stampOf(path) });
const stampOf = (path: string) => {
  const { size, mtimeMs } = statSync(path);
  return { size, mtimeMs };
};

beforeEach(() => {
  folder = join(root, String(tests++));
  mkdirSync(folder);
  for (const name of ['model.safetensors', 'config.json', 'text.txt', 'unrelated.json'])
    writeFileSync(here(name), name);
});

const inputs = (): Promise<Inputs> =>
  inputsOf(
    {
      format: 'safetensors',
      files: [{ ...asOpened(weights()), headerHash: '' }],
    } as unknown as Parameters<typeof inputsOf>[0],
    here('text.txt'),
    undefined,
  );

describe('Inputs', () => {
  it.each(['model.safetensors', 'config.json', 'text.txt'])('protect %s under every name', async (name) => {
    symlinkSync(name, here('symbolic'));
    linkSync(here(name), here('hard'));
    mkdirSync(here('other'));
    symlinkSync(folder, here('other/up'));
    const read = await inputs();
    for (const output of [name, 'symbolic', 'hard', join('other', 'up', name)])
      await expect(read.check([here(output)]), output).rejects.toMatchObject({
        code: 'REQUEST',
        message: expect.stringContaining('would replace a file that is read') as string,
        place: { file: here(output) },
      });
    expect(readFileSync(here(name), 'utf8')).toBe(name);
  });

  it('are compared with an output before it is filled', async () => {
    let filled = false;
    const fill = (): Promise<void> => Promise.resolve(void (filled = true));
    await expect(writeAtomically(weights(), fill, await inputs())).rejects.toMatchObject({ code: 'REQUEST' });
    expect(filled).toBe(false);
  });

  it('allow new files, and other files of the folder', async () => {
    const read = await inputs();
    await read.check([here('new.gguf'), here('unrelated.json'), undefined]);
    await writeAtomically(here('unrelated.json'), (file) => file.write(Buffer.from('plan')), read);
    expect(readFileSync(here('unrelated.json'), 'utf8')).toBe('plan');
  });

  it('are compared with what the output is when it is put in place', async () => {
    const read = await inputs();
    const write = writeAtomically(
      here('out.bin'),
      async (file) => {
        await file.write(Buffer.from('x'));
        symlinkSync('config.json', here('out.bin'));
      },
      read,
    );
    await expect(write).rejects.toMatchObject({ code: 'REQUEST' });
    expect(readFileSync(here('config.json'), 'utf8')).toBe('config.json');
  });
});

describe('a streamed file', () => {
  const changes: Readonly<Record<string, () => void>> = {
    grows: () => appendFileSync(weights(), 'more'),
    'is written again in full': () => writeFileSync(weights(), 'model.safetensorS'),
    'is replaced by another of the same size and time': () => {
      const { atime, mtime } = statSync(weights());
      writeFileSync(here('copy'), 'model.safetensorS');
      utimesSync(here('copy'), atime, mtime);
      renameSync(here('copy'), weights());
    },
    'is removed': () => renameSync(weights(), here('away')),
  };
  it.each(Object.entries(changes))('that %s meanwhile is an error that names it', async (_, change) => {
    writeFileSync(here('out.bin'), 'old');
    const fill = async (file: { write(bytes: Uint8Array): Promise<void> }): Promise<void> => {
      await file.write(Buffer.from('mixed'));
      change();
    };
    await expect(writeAtomically(here('out.bin'), fill, await inputs())).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringContaining('changed while it was read') as string,
      place: { file: weights() },
    });
    expect(readFileSync(here('out.bin'), 'utf8')).toBe('old');
  });

  it('may have changed since it was opened where outputs are not made of it', async () => {
    const { size, mtimeMs } = asOpened(weights());
    appendFileSync(weights(), 'more');
    const files = [{ path: weights(), size, mtimeMs, headerHash: '' }];
    const model = { format: 'safetensors', files } as unknown as Parameters<typeof modelInputs>[0];
    const read = await modelInputs(model);
    await writeAtomically(here('plan.json'), (file) => file.write(Buffer.from('{}')), read);
    await expect(read.check([weights()])).rejects.toMatchObject({ code: 'REQUEST' });
    await expect(read.check([here('config.json')])).rejects.toMatchObject({ code: 'REQUEST' });
  });

  it('that changed since it was opened is an error at once', async () => {
    const opened = asOpened(weights());
    appendFileSync(weights(), 'more');
    await expect(Inputs.of([opened])).rejects.toMatchObject({ code: 'IO', place: { file: weights() } });
  });

  it('is what must stay the same; files that were read at once may be edited', async () => {
    const write = writeAtomically(
      here('out.bin'),
      async (file) => {
        await file.write(Buffer.from('x'));
        appendFileSync(here('config.json'), ' ');
      },
      await inputs(),
    );
    await write;
    expect(readFileSync(here('out.bin'), 'utf8')).toBe('x');
  });
});
