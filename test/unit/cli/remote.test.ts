import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { buildPrograms, runProgram, type Ended } from '../../support/programs';
import { filesUnder, serveHub, serveRanges, type RangeServer } from '../../support/rangeServer';

const folder = temporaryFolder();
const tensor = 'model.layers.0.self_attn.q_proj.weight';
let cli: string;
let server: RangeServer;
let remote: string;

beforeAll(async () => {
  cli = (await buildPrograms()).cli;
  server = await serveRanges(filesUnder('/tiny-shakespeare-llama', sampleFolder));
  remote = `${server.address}/tiny-shakespeare-llama`;
});

const run = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> =>
  runProgram(cli, args, { cache: temporaryFolder(), env });

/** What a command prints of a model, without where it lies and how long it took. */
async function printed(model: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run([args[0]!, model, ...args.slice(1), '--json']);
  expect(code, stderr).toBe(0);
  return stdout
    .replaceAll(model, 'MODEL')
    .replace(/"(mtimeMs|seconds|milliseconds|name)": .*/g, '')
    .replace(/"(path|folder|file)": .*/g, '');
}

describe('a command on a remote model', () => {
  it.each([
    ['inspect', '--metadata'],
    ['estimate', '--format', 'Q4_K_M'],
    ['stats', '--tensor', tensor],
    ['quantize', '--tensor', tensor, '--format', 'q4_0'],
    ['export', '--type', 'Q4_0', '--dry-run'],
  ])('%s gives what it gives here', async (...args) => {
    expect(await printed(remote, args)).toBe(await printed(sampleFolder, args));
  });

  it('compares it with a model here, and finds no difference', async () => {
    const { code, stdout, stderr } = await run(['compare', remote, sampleFolder, '--json']);
    expect(code, stderr).toBe(0);
    const { tensors } = JSON.parse(stdout) as { tensors: { identical?: boolean }[] };
    expect(tensors.length).toBeGreaterThan(0);
  });

  it('exports the same bytes as from here, and converts to the same weights', async () => {
    for (const [command, ...options] of [
      ['export', '--type', 'Q4_K_M', '--out'],
      ['convert', '--dtype', 'f32', '--out'],
    ] as const) {
      const ending = command === 'export' ? 'gguf' : 'safetensors';
      const outputs = ['here', 'there'].map((name) => join(folder, `${name}.${ending}`));
      for (const [i, model] of [sampleFolder, remote].entries()) {
        const { code, stderr } = await run([command, model, ...options, outputs[i]!]);
        expect(code, stderr).toBe(0);
      }
      expect(readFileSync(outputs[1]!).equals(readFileSync(outputs[0]!))).toBe(true);
    }
  });

  it('reports it from its headers and small files; a scan says what it reads from the server before it does', async () => {
    const out = (name: string): string => join(folder, name);
    const written = async (model: string, name: string, ...options: string[]): Promise<Ended> => {
      const ended = await run(['report', model, '--out', out(name), ...options]);
      expect(ended.code, ended.stderr).toBe(0);
      return ended;
    };
    await written(sampleFolder, 'here.md');
    const before = server.sent;
    const { stderr } = await written(remote, 'there.md');
    expect(readFileSync(out('there.md'), 'utf8')).toBe(readFileSync(out('here.md'), 'utf8'));
    expect(server.sent - before).toBeLessThan(2 ** 20); // of ten times as many
    expect(stderr).not.toContain('from the server');
    const scanned = await written(remote, 'scanned.html', '--scan');
    expect(scanned.stderr).toContain('The scan reads 10.49 MB of weights from the server');
    expect(readFileSync(out('scanned.html'), 'utf8')).toContain('Weights by layer and role');
  });

  it('writes nothing where the server fails in the middle, and says where', async () => {
    server.behave = ({ path, range }) =>
      path.endsWith('.safetensors') && Number(/=(\d+)/.exec(range ?? '')?.[1]) > 9_000_000
        ? { status: 403 }
        : undefined;
    const out = join(folder, 'failed.gguf');
    const { code, stderr } = await run(['export', remote, '--type', 'Q8_0', '--out', out]);
    server.behave = () => undefined;
    expect(code).toBe(1);
    expect(stderr).toContain(`${remote}/model.safetensors`);
    expect(() => readFileSync(out)).toThrow();
  });

  it('reads models of the Hub by their names', async () => {
    const { hub } = await serveHub('owner/model', sampleFolder, 'hf_token');
    const env = { HF_ENDPOINT: hub.address, HF_TOKEN: 'hf_token' };
    const { code, stdout, stderr } = await run(['inspect', 'hf://owner/model'], env);
    expect(code, stderr).toBe(0);
    expect(stdout).toContain(tensor);
    const refused = await run(['inspect', 'hf://owner/model'], { ...env, HF_TOKEN: 'hf_other' });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/401/);
    expect(refused.stderr).not.toContain('hf_other');
  });

  it('refuses outputs on servers', async () => {
    const { code, stderr } = await run([
      'export',
      sampleFolder,
      '--type',
      'Q8_0',
      '--out',
      `${remote}/x.gguf`,
    ]);
    expect(code).toBe(2);
    expect(stderr).toContain('--out takes no address');
  });
});
