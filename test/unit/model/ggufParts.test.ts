import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { QuantscopeError } from '../../../src/model/errors';
import { openModel } from '../../../src/layouts/openModel';
import { temporaryFolder, writeFile } from '../../support/files';
import { GgufBytes } from '../../support/ggufBytes';

/** What a part says; the truth where it is absent. */
interface Claims {
  readonly no?: number;
  readonly count?: number;
  readonly tensors?: number;
  readonly name?: string;
}

/** Part `part` of 3, with one tensor of 8 floats that hold its number. */
function partBytes(part: number, { no = part, count = 3, tensors = 3, name = `t${part}` }: Claims): Buffer {
  const header = new GgufBytes().start(3, 1, part === 0 ? 4 : 3);
  if (part === 0) header.string('general.architecture').u32(8).string('llama');
  const u16 = (value: number): Buffer => Buffer.of(value & 255, value >> 8);
  header.string('split.no').u32(2).raw(u16(no));
  header.string('split.count').u32(2).raw(u16(count));
  header.string('split.tensors.count').u32(5).u32(tensors);
  const data = Buffer.from(new Float32Array(8).fill(part).buffer);
  return Buffer.concat([header.tensor(name, [8], 0, 0).data(0), data]);
}

const fileName = (part: number): string => `m-0000${part + 1}-of-00003.gguf`;

/** Writes three parts and returns their paths. */
function writeModel(claims: Readonly<Record<number, Claims>> = {}): string[] {
  const folder = temporaryFolder();
  return [0, 1, 2].map((part) => writeFile(folder, fileName(part), partBytes(part, claims[part] ?? {})));
}

async function failure(path: string): Promise<QuantscopeError> {
  const error: unknown = await openModel(path).then(
    (model) => model.close(),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(QuantscopeError);
  return error as QuantscopeError;
}

describe('a split GGUF model', () => {
  it('opens whole from any of its parts and from its folder', async () => {
    const paths = writeModel();
    for (const path of [...paths, dirname(paths[0]!)]) {
      const model = await openModel(path);
      const { description, gguf } = model;
      expect(description).toMatchObject({ architecture: 'llama', missingFiles: [], warnings: [] });
      expect(description.files.map((file) => file.path)).toEqual(paths);
      expect(description.tensors.map(({ name, file }) => [name, file])).toEqual([
        ['t0', paths[0]],
        ['t1', paths[1]],
        ['t2', paths[2]],
      ]);
      expect(description.metadata[0]).toMatchObject({ text: 'llama', source: fileName(0) });
      expect(gguf?.tensors).toEqual(description.tensors);
      for (const [part, tensor] of description.tensors.entries())
        expect(await model.read(tensor, 0, 32)).toEqual(
          new Uint8Array(new Float32Array(8).fill(part).buffer),
        );
      await model.close();
    }
  });

  it('shows the present parts when a later one is missing', async () => {
    const paths = writeModel();
    rmSync(paths[1]!);
    const model = await openModel(paths[2]!);
    await model.close();
    expect(model.description.missingFiles).toEqual([fileName(1)]);
    expect(model.description.tensors.map(({ name }) => name)).toEqual(['t0', 't2']);
    expect(model.description.warnings.join()).toContain(fileName(1));
  });

  it('says which part was opened, and opens it alone on request', async () => {
    const [, second] = writeModel();
    const whole = await openModel(second!);
    await whole.close();
    const part = { file: fileName(1), number: 2, count: 3 };
    expect(whole.description.part).toEqual({ ...part, alone: false });
    const alone = await openModel({ path: second!, alone: true });
    await alone.close();
    expect(alone.description.part).toEqual({ ...part, alone: true });
    expect(alone.description.tensors.map(({ name }) => name)).toEqual(['t1']);
  });

  it('opens without its first part, as far as the others go', async () => {
    const paths = writeModel();
    rmSync(paths[0]!);
    const model = await openModel(paths[1]!);
    await model.close();
    expect(model.description).toMatchObject({
      ...{ missingFiles: [fileName(0)], weightFiles: { present: 2, total: 3 }, parameters: 16 },
      warnings: [`2 of 3 parts are present; parameters and sizes count only those. Missing: ${fileName(0)}.`],
    });
    expect(model.description.architecture).toBeUndefined();
  });

  it('finds its parts by their content where files were renamed', async () => {
    const folder = temporaryFolder();
    const names = ['c.gguf', 'a.gguf', 'b.gguf'];
    const paths = names.map((name, part) => writeFile(folder, name, partBytes(part, {})));
    writeFile(folder, 'other.gguf', new GgufBytes().start(3, 1, 0).tensor('t', [8], 0, 0).data(32));
    const model = await openModel(paths[1]!);
    await model.close();
    expect(model.description.files.map(({ path }) => path)).toEqual(paths);
    expect(model.description.part).toEqual({ file: 'a.gguf', number: 2, count: 3, alone: false });
  });

  it('finds them next to what has the name of a model but cannot be opened', async () => {
    const folder = temporaryFolder();
    const renamed = ['c.gguf', 'b.gguf', 'a.gguf'];
    const [first] = renamed.map((name, part) => writeFile(folder, name, partBytes(part, {})));
    mkdirSync(join(folder, 'a-folder.gguf'));
    symlinkSync(join(folder, 'nowhere'), join(folder, 'dangling.gguf'));
    const model = await openModel(first!);
    expect(model.description.weightFiles).toEqual({ present: 3, total: 3 });
    await model.close();
  });

  it('ignores keys of a split in a file that holds all tensors', async () => {
    const model = await openModel(writeFile(temporaryFolder(), 'merged.gguf', partBytes(0, { tensors: 1 })));
    await model.close();
    expect(model.description).toMatchObject({ missingFiles: [], warnings: [], tensors: [{ name: 't0' }] });
    expect(model.description.part).toBeUndefined();
    expect(model.description.notes).toEqual([expect.stringContaining('"split.count"')]);
  });

  const disagreements: [string, Readonly<Record<number, Claims>>, number, RegExp][] = [
    [
      'the number of another',
      { 1: { no: 2 } },
      2,
      /says that it is part 3 of 3, as m-00002-of-00003.gguf does/,
    ],
    ['another count', { 2: { count: 4 } }, 2, /part 3 of 4/],
    ['no count', { 2: { count: 0 } }, 2, /part 3 of 0/],
    ['a tensor that another has', { 2: { name: 't0' } }, 2, /two parts/],
    ['fewer tensors than stated', { 0: { tensors: 4 } }, 0, /3 tensors, but 4/],
  ];
  it.each(disagreements)('rejects a part with %s', async (_, claims, part, message) => {
    const paths = writeModel(claims);
    const { code, place, message: said } = await failure(paths[0]!);
    expect(said).toMatch(message);
    expect({ code, file: place.file }).toEqual({ code: 'MODEL_FILE', file: paths[part] });
    expect(place.offset).toBeGreaterThanOrEqual(0);
  });

  it('counts the parts that cannot be found', async () => {
    const model = await openModel(writeFile(temporaryFolder(), 'renamed.gguf', partBytes(0, {})));
    await model.close();
    expect(model.description.weightFiles).toEqual({ present: 1, total: 3 });
    expect(model.description.missingFiles).toEqual(['part 2', 'part 3']);
  });

  it('leaves a file whole that only has the name of a part', async () => {
    const bytes = new GgufBytes().start(3, 1, 0).tensor('t', [8], 0, 0).data(32);
    const model = await openModel(writeFile(temporaryFolder(), 'x-00001-of-00002.gguf', bytes));
    await model.close();
    expect(model.description).toMatchObject({ missingFiles: [], tensors: [{ name: 't' }] });
  });

  it('is not confused with another model in the folder', async () => {
    const [first] = writeModel();
    writeFile(dirname(first!), 'other.gguf', partBytes(0, {}));
    await expect(openModel(join(dirname(first!)))).rejects.toThrow(
      'The folder holds several models (m-*-of-00003.gguf, other.gguf); name one of them.',
    );
  });
});
