import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { planExport, type ExportTarget } from '../../../../src/exporter/plan';
import { openModel } from '../../../../src/model/openModel';
import { sampleFolder, temporaryFolder } from '../../../support/files';
import { writeCheckpoint } from '../../../support/writeCheckpoint';

async function warningsOf(folder: string, target: ExportTarget): Promise<readonly string[]> {
  const model = await openModel(folder);
  const { warnings } = planExport(model, target);
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
});
