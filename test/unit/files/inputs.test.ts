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
const longAgo = [1_000_000_000, 1_000_000_000] as const;
const stampOf = (path: string) => {
  const { size, mtimeMs } = statSync(path);
  return { size, mtimeMs };
};

beforeEach(() => {
  folder = join(root, String(tests++));
  mkdirSync(folder);
  for (const name of ['model.safetensors', 'config.json', 'text.txt', 'unrelated.json'])
    writeFileSync(here(name), name);
  utimesSync(weights(), ...longAgo); // a time that every file system can hold and set
});

const refused = (output: string, other = ''): object => ({
  code: 'REQUEST',
  message: `The output would replace an input file${other}; choose another name. (${output})`,
  place: { file: output },
});
const changedError = (): object => ({
  code: 'IO',
  message: `The file was changed while it was read; nothing was written. Run again when it is complete. (${weights()})`,
  place: { file: weights() },
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
      await expect(read.check([here(output)]), output).rejects.toMatchObject(
        refused(here(output), output === name ? '' : ` (${here(name)})`),
      );
    expect(readFileSync(here(name), 'utf8')).toBe(name);
  });

  it('are compared with an output before it is filled', async () => {
    let filled = false;
    const fill = (): Promise<void> => Promise.resolve(void (filled = true));
    await expect(writeAtomically(weights(), fill, await inputs())).rejects.toMatchObject(refused(weights()));
    expect(filled).toBe(false);
  });

  it('allow new files, and other files of the folder', async () => {
    const read = await inputs();
    await read.check([here('new.gguf'), here('unrelated.json'), undefined]);
    await writeAtomically(here('unrelated.json'), (file) => file.write(Buffer.from('plan')), read);
    expect(readFileSync(here('unrelated.json'), 'utf8')).toBe('plan');
  });

  it('are checked for two outputs of one name', async () => {
    await expect((await inputs()).check([here('a'), undefined, here('A')])).rejects.toMatchObject({
      code: 'REQUEST',
      message: `Two outputs would be the same file; give them different names. (${here('A')})`,
      place: { file: here('A') },
    });
  });

  it('include the files of a set of which one was opened, and the places of those that are missing', async () => {
    const shard = (number: number): string => here(`model-0000${number}-of-00003.safetensors`);
    for (const number of [1, 2]) writeFileSync(shard(number), '');
    const files = [{ ...asOpened(shard(1)), headerHash: '' }];
    for (const of of [inputsOf, modelInputs]) {
      const read = await of({ format: 'safetensors', files } as unknown as Parameters<typeof inputsOf>[0]);
      await expect(read.check([shard(2)])).rejects.toMatchObject(refused(shard(2)));
      await expect(read.check([shard(3)])).rejects.toMatchObject({
        code: 'REQUEST',
        message: `The output would be taken for model-00003-of-00003.safetensors, a missing file of the model; choose another name. (${shard(3)})`,
      });
      await read.check([here('model-00003-of-00004.safetensors')]);
    }
  });

  it('include the index of shards', async () => {
    const index = here('weights.safetensors.index.json');
    for (const name of ['a.safetensors', 'b.safetensors']) writeFileSync(here(name), '');
    writeFileSync(index, JSON.stringify({ weight_map: { x: 'a.safetensors', y: 'b.safetensors' } }));
    const files = [{ ...asOpened(here('a.safetensors')), headerHash: '' }];
    const read = await inputsOf({ format: 'safetensors', files } as unknown as Parameters<
      typeof inputsOf
    >[0]);
    for (const output of [index, here('b.safetensors')])
      await expect(read.check([output])).rejects.toMatchObject(refused(output));
  });

  it('include lists of ranks and chat templates of any name, and what turns out to be read later', async () => {
    mkdirSync(here('additional_chat_templates'));
    for (const name of ['own.tiktoken', 'additional_chat_templates/tools.jinja', 'evidence.txt'])
      writeFileSync(here(name), name);
    const read = await inputsOf({
      format: 'safetensors',
      files: [{ ...asOpened(weights()), headerHash: '' }],
    });
    for (const name of ['own.tiktoken', 'additional_chat_templates/tools.jinja'])
      await expect(read.check([here(name)])).rejects.toMatchObject(refused(here(name)));
    await read.check([here('evidence.txt')]);
    await read.add(here('evidence.txt'));
    await expect(read.check([here('evidence.txt')])).rejects.toMatchObject(refused(here('evidence.txt')));
  });

  it('are the weights alone where these describe themselves', async () => {
    const files = [{ ...asOpened(weights()), headerHash: '' }];
    const read = await inputsOf({ format: 'gguf', files } as unknown as Parameters<typeof inputsOf>[0]);
    await read.check([here('config.json')]);
    await expect(read.check([weights()])).rejects.toMatchObject(refused(weights()));
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
    await expect(write).rejects.toMatchObject(refused(here('out.bin'), ` (${here('config.json')})`));
    expect(readFileSync(here('config.json'), 'utf8')).toBe('config.json');
  });
});

describe('a streamed file', () => {
  const changes: Readonly<Record<string, () => void>> = {
    grows: () => appendFileSync(weights(), 'more'),
    'is written again in full': () => writeFileSync(weights(), 'model.safetensorS'),
    'is replaced by another of the same size and time': () => {
      writeFileSync(here('copy'), 'model.safetensorS');
      utimesSync(here('copy'), ...longAgo);
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
    await expect(writeAtomically(here('out.bin'), fill, await inputs())).rejects.toMatchObject(
      changedError(),
    );
    expect(readFileSync(here('out.bin'), 'utf8')).toBe('old');
  });

  it('may have changed since it was opened if outputs are not made from it', async () => {
    const { size, mtimeMs } = asOpened(weights());
    appendFileSync(weights(), 'more');
    const files = [{ path: weights(), size, mtimeMs, headerHash: '' }];
    const model = { format: 'safetensors', files } as unknown as Parameters<typeof modelInputs>[0];
    const read = await modelInputs(model);
    await writeAtomically(here('plan.json'), (file) => file.write(Buffer.from('{}')), read);
    await expect(read.check([weights()])).rejects.toMatchObject(refused(weights()));
    await expect(read.check([here('config.json')])).rejects.toMatchObject(refused(here('config.json')));
  });

  it.each<[string, () => void]>([
    [
      'its size',
      () => {
        appendFileSync(weights(), 'more');
        utimesSync(weights(), ...longAgo);
      },
    ],
    ['its time', () => utimesSync(weights(), 1_000_000_000, 1_000_000_001)],
    ['that it is there', () => renameSync(weights(), here('away'))],
  ])('is an error at once when it changed since it was opened: %s', async (_, change) => {
    const opened = asOpened(weights());
    await Inputs.of([opened]);
    change();
    await expect(Inputs.of([opened])).rejects.toMatchObject(changedError());
  });

  it('must stay the same; files that were read completely may be edited', async () => {
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

describe('outputs', () => {
  const other = (): string => here('plan.json');
  const lost = {
    code: 'IO',
    message: expect.stringContaining('The file was changed while what replaces it was being made') as string,
  };

  it('replace what was there when they were checked', async () => {
    writeFileSync(other(), 'old');
    const given = await inputs();
    await given.check([other(), here('new.json')]);
    await writeAtomically(other(), (file) => file.write(Buffer.from('new')), given);
    await writeAtomically(here('new.json'), (file) => file.write(Buffer.from('new')), given);
    expect([other(), here('new.json')].map((file) => readFileSync(file, 'utf8'))).toEqual(['new', 'new']);
  });

  it.each(['plan.json', 'new.json'])(
    'do not replace what somebody else wrote meanwhile: %s',
    async (name) => {
      writeFileSync(other(), 'old');
      const given = await inputs();
      await given.check([other(), here('new.json')]);
      const writing = writeAtomically(
        here(name),
        async (file) => {
          await file.write(Buffer.from('new'));
          writeFileSync(here(name), 'edited');
        },
        given,
      );
      await expect(writing).rejects.toMatchObject({ ...lost, place: { file: here(name) } });
      expect(readFileSync(here(name), 'utf8')).toBe('edited');
    },
  );
});
