import { cpSync, readdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import type { JobContext } from '../../../src/engine/job';
import { createJobs } from '../../../src/engine/jobs';
import { OpenModels } from '../../../src/engine/models';
import { sampleFolder, temporaryFolder } from '../../support/files';

const models = new OpenModels();
const jobs = createJobs(models);
let path: string;

beforeEach(() => {
  path = temporaryFolder();
  cpSync(sampleFolder, path, { recursive: true });
});

afterAll(() => models.close());

/** Writes to the weights as soon as the job has begun. */
const whileWritten = (): JobContext => ({
  signal: new AbortController().signal,
  progress: () => utimesSync(join(path, 'model.safetensors'), 1, Math.random() * 1e9),
});

const text = join(sampleFolder, 'generated-eval.txt');
const small = { text, windows: 1, context: 32, device: 'cpu' as const };
const refused = { code: 'IO', message: expect.stringContaining('changed while it was read') as string };

describe('a model that is written while it is measured', () => {
  it('is not evaluated, and nothing of it is kept', async () => {
    const cacheDir = temporaryFolder();
    await expect(jobs['evaluation/run']({ path, cacheDir, ...small }, whileWritten())).rejects.toMatchObject(
      refused,
    );
    const kept = readdirSync(cacheDir, { recursive: true, encoding: 'utf8' });
    expect(kept.filter((name) => name.includes('results') && name.includes('.'))).toEqual([]);
  });

  it('has no sensitivity table', async () => {
    const params = { path, cacheDir: temporaryFolder(), formats: ['Q8_0'], device: 'cpu', weightsOnly: true };
    await expect(jobs['sensitivity/run'](params as never, whileWritten())).rejects.toMatchObject(refused);
  });

  it('is not compared', async () => {
    const params = { path, other: sampleFolder };
    await expect(jobs['model/compare'](params, whileWritten())).rejects.toMatchObject(refused);
  });
});
