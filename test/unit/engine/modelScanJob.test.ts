import { copyFileSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { EngineProgress } from '../../../src/protocol/engine';
import { engineJobs } from '../../support/engineJobs';
import { sampleWeights, temporaryFolder } from '../../support/files';

const folder = temporaryFolder();
const cacheDir = join(folder, 'kept');
const path = join(folder, 'model.safetensors');
copyFileSync(sampleWeights, path);
const { request } = engineJobs(cacheDir);

describe('a request to scan a model', () => {
  it('tells bytes as it goes, and what it has finished by now to others', async () => {
    const before = await request('model/scanned', { path, cacheDir });
    expect([before.names, before.tensors]).toEqual([[], 57]);
    const steps: EngineProgress[] = [];
    const scan = await request(
      'model/scan',
      { path, cacheDir, format: 'Q8_0' },
      { progress: (step) => steps.push(step) },
    );
    expect(steps.every(({ unit }) => unit === 'bytes')).toBe(true);
    expect(scan.names).toHaveLength(57);
    expect(await request('model/scanned', { path, cacheDir, format: 'Q8_0' })).toEqual(scan);
    expect((await request('model/scanned', { path, cacheDir })).error).toBeUndefined();
  });

  it('does not use what was kept of a file that was written again since', async () => {
    utimesSync(path, 1, 1);
    expect((await request('model/scanned', { path, cacheDir })).names).toEqual([]);
  });

  it.each([
    [{ path, cacheDir: 'kept' }, '"cacheDir"'],
    [{ path, cacheDir, format: '' }, '"format"'],
    [{ path, cacheDir, format: 'Q9_K' }, 'Q9_K'],
  ])('names what is wrong with %j', async (params, message) =>
    expect(request('model/scan', params)).rejects.toThrow(message),
  );
});
