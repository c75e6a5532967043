import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import koffi from 'koffi';
import { describe, expect, it } from 'vitest';
import { exportGguf } from '../../src/exporter/exportGguf';
import type { ExportTarget } from '../../src/exporter/plan';
import { writeImatrix, type CollectedImatrix, type ImatrixSums } from '../../src/exporter/writeImatrix';
import { imatrixKeyValues, readImatrix } from '../../src/model/imatrix';
import { openModel } from '../../src/model/openModel';
import { hasSharedData, sampleFolder, sharedData, temporaryFolder } from '../support/files';
import { ggufLibrary } from '../support/ggufLibrary';
import { hasOracle, llamaCpp } from '../support/llamaCpp';
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
      const imatrix = await readImatrix(written);
      // The older format is not GGUF; llama-quantize reads it with the division that src/model/imatrix.ts has.
      const values = name.endsWith('.gguf') ? valuesByLibrary(written) : imatrix.entries;

      const [ours, theirs] = [join(folder, 'ours.gguf'), join(folder, 'theirs.gguf')];
      await exportTo(half, { type: 'Q3_K_M', imatrix }, ours);
      const options = {
        imatrix: Object.fromEntries([...values].map(([tensor, floats]) => [tensor, base64(floats)])),
        overrides: imatrixKeyValues(imatrix).map((pair) => ({
          key: pair.key,
          type: pair.type === 'string' ? ('str' as const) : ('int' as const),
          value: 'value' in pair ? pair.value : undefined,
        })),
      };
      const run = { to: theirs, fileType: 12, options };
      expect(await llamaCpp('quantize', { from: half, runs: [run] })).toEqual({ codes: [0] });
      expect(readFileSync(ours).equals(readFileSync(theirs))).toBe(true);
    },
  );
});

async function exportTo(from: string, target: ExportTarget, to: string): Promise<void> {
  const model = await openModel(from);
  try {
    await exportGguf(model, target, to);
  } finally {
    await model.close();
  }
}

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

const base64 = (values: Float32Array): string =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64');

/** Sums over counts in single precision, as the quantizer divides them. */
function valuesByLibrary(path: string): Map<string, Float32Array> {
  const library = ggufLibrary();
  const { gguf, tensors } = library.open(path, true);
  const floats = (name: string): number[] => {
    const tensor: unknown = library.tensor(tensors, name);
    const count = Number(library.elements(tensor));
    return koffi.decode(library.data(tensor), koffi.array('float', count, 'Array')) as number[];
  };
  const names = Array.from({ length: Number(library.tensorCount(gguf)) }, (_, i) =>
    String(library.tensorName(gguf, i)),
  );
  return new Map(
    names
      .filter((name) => name.endsWith('.in_sum2'))
      .map((name) => {
        const base = name.slice(0, -'.in_sum2'.length);
        const [sums, counts] = [floats(name), floats(`${base}.counts`)];
        const columns = sums.length / counts.length;
        return [base, Float32Array.from(sums, (sum, i) => sum / counts[Math.floor(i / columns)]!)];
      }),
  );
}
