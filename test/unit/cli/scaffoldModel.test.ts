import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ScaffoldedModel } from '../../../src/protocol/scaffold';
import { sampleFolder, sampleWeights, temporaryFolder, writeFile } from '../../support/files';
import { GgufBytes } from '../../support/ggufBytes';
import { buildPrograms, runProgram, type Ended } from '../../support/programs';

const folder = temporaryFolder();
let cli: string;

beforeAll(async () => {
  cli = (await buildPrograms()).cli;
});

const scaffold = (...args: string[]): Promise<Ended> =>
  runProgram(cli, ['scaffold-model', ...args], { cache: join(folder, 'cache') });

describe('quantscope scaffold-model', () => {
  it('prints a description, or writes it to a file that does not exist', async () => {
    const { stdout } = await scaffold(sampleFolder);
    expect(stdout).toContain(
      "{ from: 'mlp.down_proj', to: 'ffn_down', shape: [hiddenSize, feedForwardSize] }",
    );
    const out = join(folder, 'draft.ts');
    const written = await scaffold(sampleFolder, '--out', out);
    expect(written.stdout).toContain(
      'draft.ts (12 parts recognised, 0 not, 0 keys that no description reads)',
    );
    expect(readFileSync(out, 'utf8')).toBe(stdout);
    const again = await scaffold(sampleFolder, '--out', out);
    expect(again.code).toBe(1);
    expect(again.stderr).toContain('The file exists; a proposal replaces nothing.');
    expect(readFileSync(out, 'utf8')).toBe(stdout);
  });

  it('gives what it found as JSON', async () => {
    const { stdout } = await scaffold(sampleFolder, '--json');
    const { recognised, nearest } = JSON.parse(stdout) as ScaffoldedModel;
    expect(nearest).toBe('llama');
    expect(recognised['self_attn.q_proj']).toBe('attn_q');
  });

  it('rejects what has no names to learn from, and outputs over the model', async () => {
    const gguf = writeFile(folder, 'empty.gguf', new GgufBytes().start(3, 0, 0).bytes());
    expect((await scaffold(gguf)).stderr).toContain('A GGUF file needs no description');
    const bare = join(folder, 'bare');
    mkdirSync(bare);
    copyFileSync(sampleWeights, join(bare, 'model.safetensors'));
    expect((await scaffold(bare)).stderr).toContain(
      'A description is made from config.json, which is missing.',
    );
    const over = await scaffold(bare, '--out', join(bare, 'model.safetensors'));
    expect(over.code).toBe(1);
    expect(existsSync(join(bare, 'model.safetensors'))).toBe(true);
  });
});
