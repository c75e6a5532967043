import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeImatrix, type CollectedImatrix, type ImatrixSums } from '../../src/exporter/writeImatrix';
import { readImatrix } from '../../src/model/imatrix';
import { openModel } from '../../src/layouts/openModel';
import { hasSharedData, sampleFolder, sharedData, temporaryFolder } from '../support/files';
import { exportTo, quantizedByBoth, valuesByLibrary } from '../support/imatrixFiles';
import { hasOracle } from '../support/llamaCpp';
import { Random } from '../support/random';

const file = join(sharedData, 'imatrix-sample', 'imatrix.gguf');

describe.skipIf(!hasOracle || !hasSharedData)('an importance matrix that llama-imatrix wrote', () => {
  it('has the entries and values that its own GGUF library reads', async () => {
    const imatrix = await readImatrix(file);
    const theirs = valuesByLibrary(file);
    expect([...imatrix.entries.keys()].sort()).toEqual([...theirs.keys()].sort());
    for (const [name, values] of theirs) expect(imatrix.entries.get(name), name).toEqual(values);
  });
});

describe.skipIf(!hasOracle)('an importance matrix that is written here', () => {
  const folder = temporaryFolder();

  it.each(['written.gguf', 'written.dat'])(
    '%s gives llama_model_quantize the file that it gives the exporter',
    async (name) => {
      const half = join(folder, 'half.gguf');
      await exportTo(sampleFolder, { type: 'F16' }, half);
      const written = join(folder, name);
      await writeImatrix(written, await collectedFor(half));
      const { ours, theirs } = await quantizedByBoth(half, written, folder);
      expect(ours.equals(theirs)).toBe(true);
    },
  );
});

/** Made-up sums of every matrix of a model. */
async function collectedFor(path: string): Promise<CollectedImatrix> {
  const model = await openModel(path);
  await model.close();
  const random = new Random(21);
  const entries = model.description.tensors
    .filter(({ shape }) => shape.length > 1)
    .map(({ name, shape }): [string, ImatrixSums] => {
      const sums = Float64Array.from({ length: shape[shape.length - 1]! }, () => 900 * random.normal() ** 2);
      return [name, { sums, counts: Float64Array.of(900) }];
    });
  return { entries: new Map(entries), dataset: 'made up', chunks: 4, chunkSize: 256 };
}
