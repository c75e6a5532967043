import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { EngineMethod } from '../../../src/protocol/engine';
import type { EngineCall, ToolContext } from '../../../src/tools/tool';
import { tools } from '../../../src/tools/tools';
import { consentFor, type Consent } from '../../../src/vscode/languageModelTools/consent';
import { ToolPlaces } from '../../../src/vscode/languageModelTools/places';
import { temporaryFolder } from '../../support/files';

const [workspace, elsewhere] = [temporaryFolder(), temporaryFolder()];
const address = 'https://example.org/model.gguf';

const placesWith = (...open: string[]): ToolPlaces =>
  new ToolPlaces({ folders: () => [workspace], open: () => open });

describe('places of a language model', () => {
  const opened = join(elsewhere, 'opened.gguf');
  writeFileSync(opened, '');
  writeFileSync(join(elsewhere, 'other.gguf'), '');
  mkdirSync(join(workspace, 'models'));
  symlinkSync(elsewhere, join(workspace, 'models', 'out'), 'junction');

  it('are the workspace, where relative paths begin', async () => {
    const places = placesWith();
    expect(await places.place('models')).toBe(join(workspace, 'models'));
    expect(await places.target('new.gguf')).toBe(join(workspace, 'new.gguf'));
  });

  it.each(['..', elsewhere, 'models/out', 'models/out/other.gguf', '/'])('are not %s', async (text) => {
    await expect(placesWith().place(text)).rejects.toThrow('outside of the workspace and is not open');
    await expect(placesWith().target(text)).rejects.toThrow('outside of the workspace');
  });

  it('are open models, for reading: not what lies beside them', async () => {
    const places = placesWith(opened);
    expect(await places.place(opened)).toBe(opened);
    await expect(places.place(join(elsewhere, 'other.gguf'))).rejects.toThrow('is not open');
    await expect(places.target(opened)).rejects.toThrow('outside of the workspace');
  });

  it('are nothing without a workspace and an open model', async () => {
    const places = new ToolPlaces({ folders: () => [], open: () => [] });
    await expect(places.place('.')).rejects.toThrow('outside of the workspace');
  });

  it('are no server for writing', async () => {
    await expect(placesWith(address).target(address)).rejects.toThrow('nothing is written there');
  });
});

/** What is asked before a tool runs, and what the engine is asked meanwhile. */
async function asked(name: string, input: object, places = placesWith()): Promise<[Consent, EngineMethod[]]> {
  const methods: EngineMethod[] = [];
  const call = ((method) => {
    methods.push(method);
    return Promise.resolve({ fileBytes: 2_000_000, warnings: [] });
  }) as EngineCall;
  const context: ToolContext = {
    ...{ call, cacheDir: 'a', evaluationDir: 'b', device: 'cpu' },
    place: (text) => places.place(text),
    target: (text) => places.target(text),
  };
  const tool = tools.find((item) => item.name === name)!;
  return [await consentFor(tool, tool.input.parse(input), places, context), methods];
}

/** A valid input of each tool; of those that write, with its file. */
const inputs: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  inspect_model: {},
  run_doctor: {},
  tensor_statistics: { tensor: 'a' },
  explain_tensor: { tensor: 'a' },
  estimate: {},
  recommend_plan: { budget: '5bpw' },
  write_plan: { budget: '5bpw', out: 'a.ampq.json' },
  export_gguf: { type: 'Q8_0', out: 'a.gguf' },
};

describe.each(tools.map(({ name }) => name))('%s', (name) => {
  it('asks before it writes, naming the file, and only then', async () => {
    const input = inputs[name]!;
    const [{ reads, writes }] = await asked(name, { model: 'models', ...input });
    expect(reads).toEqual([]);
    const { out } = input;
    if (out === undefined) expect(writes).toBeUndefined();
    else expect(writes).toEqual({ sentence: expect.stringContaining(join(workspace, out)) as string });
  });

  it('asks before it reads from a server, and has read nothing by then', async () => {
    const [{ reads, writes }, methods] = await asked(name, { model: address, ...inputs[name] });
    expect(reads).toEqual([address]);
    const { out } = inputs[name]!;
    expect(writes).toEqual(out === undefined ? undefined : { file: join(workspace, out) });
    expect(methods).toEqual([]);
  });

  it('does not ask to read an address that is open', async () => {
    expect((await asked(name, { model: address, ...inputs[name] }, placesWith(address)))[0].reads).toEqual(
      [],
    );
  });
});

it('asks about a file that would be replaced, only where that is allowed', async () => {
  writeFileSync(join(workspace, 'taken.gguf'), '');
  const input = { model: 'models', type: 'Q8_0', out: 'taken.gguf' };
  await expect(asked('export_gguf', input)).rejects.toThrow('"overwrite" permits');
  const [{ writes }] = await asked('export_gguf', { ...input, overwrite: true });
  expect(writes).toEqual({ sentence: expect.stringContaining('This replaces the file') as string });
});
