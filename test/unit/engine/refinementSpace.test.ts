import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import type * as DiskSpace from '../../../src/exporter/diskSpace';
import { exportGguf } from '../../../src/exporter/exportGguf';
import { openModel } from '../../../src/layouts/openModel';
import { QuantscopeError } from '../../../src/model/errors';
import { engineJobs } from '../../support/engineJobs';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const asked: { target: string; bytes: number }[] = [];
vi.mock('../../../src/exporter/diskSpace', async (original) => ({
  ...(await original<typeof DiskSpace>()),
  ensureFreeSpace: (target: string, bytes: number, what?: string): Promise<void> => {
    if (what !== 'The refinement') return Promise.resolve();
    asked.push({ target, bytes });
    return Promise.reject(new QuantscopeError('IO', 'The disk is full.'));
  },
}));

it('asks for the room of a refinement before it copies the file', async () => {
  const folder = temporaryFolder();
  const at = (name: string): string => join(folder, name);
  await writeCheckpoint(at('llama'), 'llama');
  const model = await openModel(at('llama'));
  await exportGguf(model, { type: 'Q4_0' }, at('start.gguf'));
  await model.close();
  const start = await openModel(at('start.gguf'));
  await start.close();
  const { request } = engineJobs(at('jobs'));
  const settings = {
    ...{ path: at('start.gguf'), original: at('llama'), device: 'cpu' as const, cacheDir: at('cache') },
    ...{ text: join(sampleFolder, 'generated-calibration.txt'), context: 16, tokens: 24 * 16 },
  };
  await expect(request('refinement/run', { ...settings, out: at('out.gguf') })).rejects.toThrow(
    'The disk is full.',
  );
  expect(asked).toHaveLength(1);
  expect(asked[0]!.bytes).toBeGreaterThan(start.description.dataBytes);
  expect(readdirSync(join(at('cache'), 'refinement'))).toEqual([]);
});
