import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ModelDescription } from '../../../src/protocol/model';
import { safetensorsBytes, temporaryFolder, writeFile } from '../../support/files';
import { buildPrograms, runProgram } from '../../support/programs';

const cache = temporaryFolder();
const folder = temporaryFolder();
const shards = [1, 2].map((i) => `model-0000${i}-of-00002.safetensors`);
let cli: string;

beforeAll(async () => {
  cli = (await buildPrograms()).cli;
  for (const [i, name] of shards.entries())
    writeFile(
      folder,
      name,
      safetensorsBytes({ [`t${i}`]: { dtype: 'F32', shape: [2], data_offsets: [0, 8] } }, 8),
    );
});

async function inspect(...options: string[]): Promise<{ tensors: string[]; stderr: string }> {
  const args = ['inspect', join(folder, shards[1]!), '--json', ...options];
  const { code, stdout, stderr } = await runProgram(cli, args, { cache });
  expect(code, stderr).toBe(0);
  return { tensors: (JSON.parse(stdout) as ModelDescription).tensors.map(({ name }) => name), stderr };
}

describe('a shard on the command line', () => {
  it('opens the whole model, with a note', async () => {
    const { tensors, stderr } = await inspect();
    expect(tensors).toEqual(['t0', 't1']);
    expect(stderr).toMatch(
      /^Note: model-00002-of-00002\.safetensors is file 2 of 2 of the model .*, which is opened whole \(2 files\); --this-file opens the file alone\.$/m,
    );
  });

  it('opens alone on request', async () => {
    const { tensors, stderr } = await inspect('--this-file');
    expect(tensors).toEqual(['t1']);
    expect(stderr).toMatch(
      /^Note: model-00002-of-00002\.safetensors is file 2 of 2 of a model and is opened alone\.$/m,
    );
  });
});
