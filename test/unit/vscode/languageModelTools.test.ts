import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { EngineMethod } from '../../../src/protocol/engine';
import type { EngineCall, ToolContext } from '../../../src/tools/tool';
import { tools } from '../../../src/tools/tools';
import { consentFor, type Consent } from '../../../src/vscode/languageModelTools/consent';
import { ToolPlaces } from '../../../src/vscode/languageModelTools/places';
import { withinRoom } from '../../../src/vscode/languageModelTools/room';
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

  it('are models without links outside among their files, unless they are open', async () => {
    const model = join(workspace, 'linked', 'model.safetensors');
    mkdirSync(join(workspace, 'linked'));
    writeFileSync(model, '');
    symlinkSync('model.safetensors', join(workspace, 'linked', 'same.safetensors'), 'file');
    expect(await placesWith().modelPlace(model)).toBe(model);
    symlinkSync(opened, join(workspace, 'linked', 'config.json'), 'file');
    await expect(placesWith().modelPlace(model)).rejects.toThrow(
      /config\.json is a link to what lies outside/,
    );
    await expect(placesWith().modelPlace('linked')).rejects.toThrow('Open the model');
    expect(await placesWith(model).modelPlace(model)).toBe(model);
    expect(await placesWith().modelPlace(address)).toBe(address);
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
    modelPlace: (text) => places.modelPlace(text),
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

describe('an answer within the room of its caller', () => {
  const lines = Array.from({ length: 200 }, (_, i) => `layer ${i}`);
  const text = lines.join('\n');
  const token = {} as never;
  const countTokens = (part: string): Promise<number> => Promise.resolve(Math.ceil(part.length / 4));
  const within = (tokenBudget: number) => withinRoom(text, '{"a":1}', { tokenBudget, countTokens }, token);

  it('is text and data where both fit, or nothing was said about room', async () => {
    expect(await withinRoom(text, '{}', undefined, token)).toEqual([text, '{}']);
    expect(await within(1000)).toEqual([text, '{"a":1}']);
  });

  it('is the text alone where the data has no room', async () => {
    expect(await within(await countTokens(text))).toEqual([text]);
  });

  it.each([60, 100, 300, 470])('has the first lines and says so, with room for %i tokens', async (budget) => {
    const [cut, ...others] = await within(budget);
    expect(others).toEqual([]);
    expect(await countTokens(cut!)).toBeLessThanOrEqual(budget);
    const shown = cut!.split('\n');
    const note = shown.pop();
    expect(note).toBe(
      `[Cut to the room that the caller has: ${shown.length} of 200 lines. Ask for less to get all of it.]`,
    );
    expect(shown).toEqual(lines.slice(0, shown.length));
    expect(await countTokens(cut!)).toBeGreaterThan(budget * 0.6);
  });

  it('says that it was cut where there is room for nothing', async () => {
    expect(await within(1)).toEqual([expect.stringMatching(/^\[Cut .* 0 of 200 lines/)]);
  });
});
