import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { planExport, type ExportTarget } from '../../../../src/exporter/plan';
import { openModel } from '../../../../src/layouts/openModel';
import { sampleFolder, temporaryFolder } from '../../../support/files';
import { writeCheckpoint } from '../../../support/writeCheckpoint';

async function warningsOf(folder: string, target: ExportTarget): Promise<readonly string[]> {
  const model = await openModel(folder);
  const { warnings } = await planExport(model, target);
  await model.close();
  return warnings;
}

describe('notes on an export', () => {
  it('name a sliding window that llama.cpp does not have', async () => {
    const folder = join(temporaryFolder(), 'mistral');
    await writeCheckpoint(folder, 'mistral with a window');
    const warnings = await warningsOf(folder, { type: 'F16' });
    expect(warnings).toEqual([expect.stringMatching(/^All layers attend to the last 16 tokens only/)]);
    expect(await warningsOf(sampleFolder, { type: 'F16' })).toEqual([]);
  });

  it('name patterns that match no entry of the importance matrix', async () => {
    const name = 'blk.0.ffn_down.weight';
    const model = await openModel(sampleFolder);
    const columns = model.description.tensors.find((tensor) => /0\.mlp\.down_proj/.test(tensor.name))!
      .shape[1]!;
    await model.close();
    const entries = new Map([[name, new Float32Array(columns).fill(1)]]);
    const imatrix = { path: 'sample.imatrix', entries, datasets: [], chunks: 1 };
    const idle = (warnings: readonly string[]) => warnings.filter((text) => text.startsWith('No entry'));
    const warnings = async (texts: object) =>
      idle(await warningsOf(sampleFolder, { type: 'Q8_0', imatrix, ...texts }));
    expect(await warnings({ includeWeights: ['ffn_down', 'ffn_dwon'] })).toEqual([
      'No entry of the importance matrix sample.imatrix has "ffn_dwon" in its name: there is nothing to include.',
    ]);
    expect(await warnings({ excludeWeights: ['attn_q'] })).toEqual([
      'No entry of the importance matrix sample.imatrix has "attn_q" in its name: there is nothing to exclude.',
    ]);
    expect(await warnings({ excludeWeights: ['ffn_down'] })).toEqual([]);
    expect(await warnings({ includeWeights: ['nothing'] })).toHaveLength(1);
  });
});
