import { cpSync, existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { tools } from '../../../src/tools/tools';
import { sampleFolder, temporaryFolder, writeFile } from '../../support/files';
import { connectMcp, textOf, type ConnectOptions } from '../../support/mcpClient';
import { buildPrograms, type Programs } from '../../support/programs';

const cache = temporaryFolder();
let programs: Programs;

beforeAll(async () => {
  programs = await buildPrograms();
});

const connect = (options: Partial<ConnectOptions> = {}) =>
  connectMcp({ cli: programs.cli, cache, ...options });

const outside = 'is outside of what may be used';

/** A valid input of each tool, in which every place can be replaced. */
const inputs: Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>> = {
  inspect_model: [{ model: '.' }],
  run_doctor: [{ model: '.' }],
  tensor_statistics: [{ model: '.', tensor: 'lm_head.weight' }],
  explain_tensor: [{ model: '.', tensor: 'lm_head.weight' }],
  estimate: [{ model: '.', plan: 'a.ampq.json' }],
  recommend_plan: [{ model: '.', budget: '5bpw', text: 'generated-eval.txt' }],
  write_plan: [{ model: '.', budget: '5bpw', text: 'generated-eval.txt', out: 'a.ampq.json' }],
  export_gguf: [
    { model: '.', type: 'Q8_0', out: 'a.gguf' },
    { model: '.', plan: 'a.ampq.json', out: 'a.gguf' },
  ],
};
const places = ['model', 'plan', 'text', 'out'];

it('no tool reads or writes a place outside, whatever field names it', async () => {
  const { call } = await connect({ args: ['--root', sampleFolder, '--allow-write'] });
  const folder = temporaryFolder();
  for (const { name, input } of tools)
    for (const field of places.filter((place) => place in input.shape)) {
      const valid = inputs[name]!.find((one) => field in one)!;
      const named = join(folder, basename(String(valid[field])));
      const result = await call(name, { ...valid, [field]: named });
      expect(textOf(result), `${name} ${field}`).toContain(outside);
      expect(existsSync(named) && named !== folder, named).toBe(false);
    }
});

it('follows links and dots before it compares', async () => {
  const root = temporaryFolder();
  mkdirSync(join(root, 'models'));
  symlinkSync(sampleFolder, join(root, 'models', 'inside'), 'junction');
  symlinkSync(join(temporaryFolder(), 'nothing.gguf'), join(root, 'nowhere.gguf'));
  const { call } = await connect({ args: ['--root', root, '--allow-write'] });
  const both = await connect({ args: ['--root', root, '--root', sampleFolder] });
  expect(textOf(await call('inspect_model', { model: 'models/inside' }))).toContain(outside);
  expect((await both.call('inspect_model', { model: 'models/inside' })).isError).toBeUndefined();
  const up = join('..', basename(dirname(sampleFolder)), basename(sampleFolder));
  expect(textOf(await call('inspect_model', { model: up }))).toContain(outside);
  const out = { model: sampleFolder, type: 'Q8_0', out: 'nowhere.gguf', overwrite: true };
  const linked = await connect({ args: ['--root', root, '--root', sampleFolder, '--allow-write'] });
  expect(textOf(await linked.call('export_gguf', out))).toContain('is a link that leads nowhere');
});

it('no tool reads a model with a link outside among its files, however the link is made', async () => {
  const root = temporaryFolder();
  const { call } = await connect({ args: ['--root', root, '--allow-write'] });
  const secret = writeFile(temporaryFolder(), 'config.json', '{"secret": 1}');
  const links: Readonly<Record<string, (folder: string) => void>> = {
    symbolic: (folder) => symlinkSync(secret, join(folder, 'chat_template.jinja'), 'file'),
    text: (folder) => writeFile(folder, 'other.safetensors', relative(folder, secret)),
    module: (folder) => {
      writeFile(folder, 'modules.json', '[{"type": "Dense", "path": "1_Dense"}]');
      symlinkSync(dirname(secret), join(folder, '1_Dense'), 'junction');
    },
    template: (folder) => {
      mkdirSync(join(folder, 'additional_chat_templates'));
      symlinkSync(secret, join(folder, 'additional_chat_templates', 'a.jinja'), 'file');
    },
  };
  for (const [kind, make] of Object.entries(links)) {
    const folder = join(root, kind);
    cpSync(sampleFolder, folder, { recursive: true });
    symlinkSync(dirname(secret), join(folder, 'unrelated'), 'junction');
    if (kind !== 'module')
      expect((await call('inspect_model', { model: kind })).isError, kind).toBeUndefined();
    make(folder);
    for (const { name } of tools)
      for (const valid of inputs[name]!) {
        const text = textOf(await call(name, { ...valid, model: kind, ...outOf(valid) }));
        expect(text, `${kind} ${name}`).toMatch(/ is a link to what is outside of what may be used/);
        expect(text).not.toContain('secret');
      }
  }

  function outOf({ out }: Readonly<Record<string, unknown>>): object {
    return typeof out === 'string' ? { out: join(root, out) } : {};
  }
});

it('uses the folders of the client where it is started with none, also when they change', async () => {
  let folder = temporaryFolder();
  const { client, call } = await connect({ roots: () => [folder] });
  expect(textOf(await call('inspect_model', { model: sampleFolder }))).toContain(`(${folder})`);
  folder = sampleFolder;
  await client.sendRootsListChanged();
  expect((await call('inspect_model', { model: '.' })).isError).toBeUndefined();
});

it('uses the working folder where the client has none', async () => {
  const { call } = await connect({ cwd: sampleFolder });
  expect((await call('inspect_model', { model: '.' })).isError).toBeUndefined();
  expect(textOf(await call('inspect_model', { model: dirname(sampleFolder) }))).toContain(outside);
});

it('reads models on servers only with --allow-remote, and writes to none', async () => {
  const { call } = await connect({ args: ['--root', sampleFolder, '--allow-write'] });
  const refused = await call('inspect_model', { model: 'hf://owner/model' });
  expect(textOf(refused)).toBe('hf://owner/model is on a server: --allow-remote permits to read it.');
  const remote = await connect({ args: ['--root', sampleFolder, '--allow-remote', '--allow-write'] });
  const address = 'http://127.0.0.1:9/model.gguf';
  expect(textOf(await remote.call('inspect_model', { model: address }))).toContain('127.0.0.1:9');
  const out = await remote.call('export_gguf', { model: '.', type: 'Q8_0', out: address });
  expect(textOf(out)).toContain('nothing is written there');
});
