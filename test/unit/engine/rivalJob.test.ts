import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { createJobs } from '../../../src/engine/jobs';
import { OpenModels } from '../../../src/engine/models';
import { sampleFolder, temporaryFolder } from '../../support/files';

const folder = temporaryFolder();
const theirs = join(folder, 'theirs.gguf');
const jobs = createJobs(new OpenModels());
const context = { signal: new AbortController().signal, progress: () => undefined };
let bytes: number;

beforeAll(async () => {
  const exported = await jobs['export/gguf']({ path: sampleFolder, type: 'Q4_K_M', out: theirs }, context);
  bytes = exported.fileBytes;
});

describe('a file that a plan is to beat', () => {
  it('has a type for each tensor of the plan, its bytes, and what a file of the plan holds besides', async () => {
    const rival = await jobs['plan/rival'](
      { path: sampleFolder, rival: theirs, isOptimised: false },
      context,
    );
    expect(rival).toMatchObject({ path: theirs, file: 'theirs.gguf', bytes, formats: ['Q6_K', 'Q4_K'] });
    expect(rival.tensors).toHaveLength(44);
    expect(rival.tensors.find(({ tensor }) => tensor === 'output.weight')).toMatchObject({ type: 'Q6_K' });
    const padded = rival.tensors.reduce((sum, tensor) => sum + Math.ceil(tensor.bytes / 32) * 32, 0);
    // A plan with the types of the file is as large, up to what headers say of the file type.
    expect(Math.abs(rival.frame!.bytes + padded - bytes)).toBeLessThan(1000);
    const optimised = { path: sampleFolder, rival: theirs, isOptimised: true };
    const { frame } = await jobs['plan/rival'](optimised, context);
    expect(frame!.bytes).toBeGreaterThan(rival.frame!.bytes);
  });

  it('is rejected where it is not GGUF', async () => {
    const params = { path: sampleFolder, rival: sampleFolder, isOptimised: false };
    await expect(jobs['plan/rival'](params, context)).rejects.toThrow(
      'A plan is compared with a GGUF file; this is not one.',
    );
  });
});
