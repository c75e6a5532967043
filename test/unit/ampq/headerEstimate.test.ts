import { describe, expect, it } from 'vitest';
import { normalErrors } from '../../../src/ampq/headerEstimate';
import { defaultCandidates } from '../../../src/ampq/sensitivity';
import { formatById } from '../../../src/quant/catalogue';
import { engineJobs } from '../../support/engineJobs';
import { sampleWeights, temporaryFolder } from '../../support/files';

const cacheDir = temporaryFolder();
const { request } = engineJobs(cacheDir);

describe('errors that are expected from headers', () => {
  it('fall with the bits of a format', async () => {
    const errors = await Promise.all(
      ['Q2_K', 'Q3_K', 'Q4_K', 'Q5_K', 'Q6_K', 'Q8_0'].map(async (id) => {
        const { error, source } = await normalErrors(formatById(id));
        return error / source;
      }),
    );
    for (const [i, error] of errors.slice(1).entries()) expect(error).toBeLessThan(errors[i]! / 2);
    expect(errors.at(-1)).toBeGreaterThan(0);
  });

  it('are near those that are measured, relatively to each other', async () => {
    const params = { path: sampleWeights, cacheDir };
    const expected = new Map<string, number>();
    const tensor = 'model.layers.2.mlp.up_proj.weight';
    const estimate = await request('tensor/suggestion', { ...params, tensor, estimated: true });
    for (const { format, relativeSquaredError } of estimate.row!.cells)
      expected.set(format, relativeSquaredError);
    await request('sensitivity/run', { ...params, device: 'cpu', weightsOnly: true });
    const { row } = await request('tensor/suggestion', { ...params, tensor });
    for (const format of defaultCandidates.filter((id) => id !== 'F16')) {
      const measured = row!.cells.find((cell) => cell.format === format)!.relativeSquaredError;
      expect(expected.get(format)! / measured, format).toBeGreaterThan(0.7);
      expect(expected.get(format)! / measured, format).toBeLessThan(1.4);
    }
  });
});
