import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readImatrix, type Imatrix } from '../../src/model/imatrix';
import { engineJobs } from '../support/engineJobs';
import { sampleFolder, sharedData, sharedModel, temporaryFolder } from '../support/files';
import { exportTo, quantizedByBoth } from '../support/imatrixFiles';
import { hasOracle } from '../support/llamaCpp';

/** What llama-imatrix wrote from the beginning of the sample's training text. */
const theirs = join(sharedData, 'imatrix-sample', 'imatrix.gguf');
const text = join(sharedModel, 'calibration.txt');
const hasFiles = existsSync(theirs) && existsSync(text);
if (!hasFiles)
  console.warn(`llama-imatrix’s result is not compared with: ${theirs} or ${text} is not there.`);

const folder = temporaryFolder();
const { calibrate } = engineJobs(folder);

/** Farthest value of two matrices, relative. */
const farthest = (a: Imatrix, b: Imatrix): number =>
  Math.max(
    ...[...a.entries].map(([name, values]) =>
      values.reduce((most, value, i) => Math.max(most, Math.abs(value / b.entries.get(name)![i]! - 1)), 0),
    ),
  );

describe('an importance matrix that is computed here', () => {
  it.skipIf(!hasFiles)('is llama-imatrix’s of the same text', async () => {
    const out = join(folder, 'calibration.gguf');
    const settings = { text, out, context: 256, windows: 150, processOutput: true, threads: 1 };
    const result = await calibrate(settings);
    expect(result).toMatchObject({ out, entries: 43, chunks: 150, tokens: 150 * 256 });
    const [ours, expected] = [await readImatrix(out), await readImatrix(theirs)];
    expect(expected.chunks).toBe(150);
    expect(ours.chunks).toBe(150);
    expect(ours.datasets).toEqual(['calibration.txt']);
    expect([...ours.entries.keys()].sort()).toEqual([...expected.entries.keys()].sort());
    expect(farthest(ours, expected)).toBeLessThan(1e-3);
  });

  it.skipIf(!hasOracle).each(['few.gguf', 'few.dat'])(
    '%s gives llama_model_quantize the file that it gives the exporter',
    async (name) => {
      const half = join(folder, 'half.gguf');
      if (!existsSync(half)) await exportTo(sampleFolder, { type: 'F16' }, half);
      const out = join(folder, name);
      await calibrate({ text: join(sampleFolder, 'generated-calibration.txt'), out, windows: 8, threads: 1 });
      expect((await readImatrix(out)).entries.size).toBe(42);
      const both = await quantizedByBoth(half, out, folder);
      expect(both.ours.equals(both.theirs)).toBe(true);
    },
  );
});
