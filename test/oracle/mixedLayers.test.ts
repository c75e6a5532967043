import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { exportGguf } from '../../src/exporter/exportGguf';
import { openModel } from '../../src/layouts/openModel';
import { checkpoints } from '../support/checkpoints';
import { temporaryFolder } from '../support/files';
import { hasOracle, llamaCpp } from '../support/llamaCpp';
import { writeCheckpoint } from '../support/writeCheckpoint';

const folder = temporaryFolder();

/** Layers that are not attention have other tensors, and head counts by layer; mixtures of types depend on both. */
const names = Object.entries(checkpoints)
  .filter(([, { shapes }]) => Object.keys(shapes).some((name) => /conv1d|conv\.conv/.test(name)))
  .map(([name]) => name);

async function exported(source: string, type: string, out: string): Promise<void> {
  const model = await openModel(source);
  await exportGguf(model, { type }, out).finally(() => model.close());
}

describe.skipIf(!hasOracle)('models with layers that are not attention', () => {
  it.each(names)('%s: are quantized as llama_model_quantize does, to the last byte', async (name) => {
    const source = join(folder, String(names.indexOf(name)));
    await writeCheckpoint(source, name);
    await exported(source, 'F32', `${source}.gguf`);
    await exported(`${source}.gguf`, 'Q4_K_M', `${source}-ours.gguf`);
    const theirs = `${source}-theirs.gguf`;
    const { codes } = await llamaCpp('quantize', {
      from: `${source}.gguf`,
      runs: [{ fileType: 15, to: theirs }],
    });
    expect(codes).toEqual([0]);
    expect(readFileSync(`${source}-ours.gguf`).equals(readFileSync(theirs))).toBe(true);
  });
});
