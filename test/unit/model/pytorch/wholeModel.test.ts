import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { TensorReader } from '../../../../src/analysis/tensorReader';
import { exportGguf } from '../../../../src/exporter/exportGguf';
import { openModel } from '../../../../src/layouts/openModel';
import { sampleFolder, temporaryFolder } from '../../../support/files';
import { buildPrograms, runProgram } from '../../../support/programs';
import { writeTorchSample, type Packing } from '../../../support/torchSample';

const folder = temporaryFolder();
const evaluated = [
  '--text',
  join(sampleFolder, 'generated-eval.txt'),
  '--windows',
  '2',
  '--device',
  'cpu',
  '--json',
];

interface Evaluated {
  readonly text: { readonly loss: { readonly value: number } };
}

describe.each<Packing>(['zip', 'legacy', 'shards'])('the sample in PyTorch files (%s)', (packing) => {
  const model = join(folder, packing, basename(sampleFolder));
  beforeAll(() => writeTorchSample(model, packing));

  it('is exported to the same GGUF as from safetensors, byte by byte', async () => {
    const files: Buffer[] = [];
    for (const source of [sampleFolder, model]) {
      const opened = await openModel(source);
      const out = join(folder, packing, `${files.length}.gguf`);
      await exportGguf(opened, { type: 'Q4_K_M' }, out).finally(() => opened.close());
      files.push(readFileSync(out));
    }
    expect(files[1]!.equals(files[0]!)).toBe(true);
  });

  it('has the same weights, in whatever order they lie', async () => {
    const name = 'model.layers.1.self_attn.o_proj.weight';
    const read = async (path: string): Promise<number[]> => {
      const opened = await openModel(path);
      const found: number[] = [];
      const reader = new TensorReader(opened, opened.tensor(name));
      for await (const { values } of reader.values()) found.push(...values);
      await opened.close();
      return found;
    };
    expect(await read(model)).toEqual(await read(sampleFolder));
  });

  it('has the same loss over a text', async () => {
    const { cli } = await buildPrograms();
    const results: number[] = [];
    for (const path of [sampleFolder, model]) {
      const { stdout, stderr, code } = await runProgram(cli, ['eval', path, ...evaluated], {
        cache: join(folder, 'cache'),
      });
      expect(code, stderr).toBe(0);
      results.push((JSON.parse(stdout) as Evaluated).text.loss.value);
    }
    expect(results[0]).toBeGreaterThan(1);
    expect(results[1]).toBeCloseTo(results[0]!, 6);
  });
});
