import { existsSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { PlanGoal } from '../../../src/protocol/recommend';
import { engineJobs } from '../../support/engineJobs';
import { sampleFolder, temporaryFolder } from '../../support/files';

const folder = temporaryFolder();
const { request } = engineJobs(folder);
const asked = { path: sampleFolder, device: 'cpu', cacheDir: folder, weightsOnly: true } as const;

it('solves a plan for a budget, and writes the same plan where a file is named', async () => {
  const goal = { budget: { kind: 'bits-per-weight', value: 5 } } as const;
  const { plan, noise } = await request('plan/recommend', { ...asked, goal });
  expect(plan.total.bitsPerWeight).toBeLessThanOrEqual(5);
  expect(plan.total.bitsPerWeight).toBeGreaterThan(4.5);
  expect(noise).toBeUndefined();
  const out = join(folder, 'sample.ampq.json');
  await request('plan/recommend', { ...asked, goal, out });
  const read = await request('plan/read', { path: sampleFolder, planFile: out });
  expect(read.assignments).toEqual(plan.assignments);
});

it('adds smaller formats where the usual ones do not reach a budget, and says so', async () => {
  const goal = { budget: { kind: 'bits-per-weight', value: 3.2 } } as const;
  const { plan, notes } = await request('plan/recommend', { ...asked, goal });
  expect(plan.total.bitsPerWeight).toBeLessThanOrEqual(3.2);
  expect(notes).toContain('The budget is below the minimum of these formats: Q2_K is added.');
});

it('solves a plan for a memory, with what it takes when it runs', async () => {
  const memory = 8e6;
  const goal: PlanGoal = { fit: { memory, context: 64, sequences: 1, cacheType: 'f16' } };
  const { plan, use } = await request('plan/recommend', { ...asked, goal });
  const { weights, cache, compute } = use!.memory;
  expect(plan.fit).toMatchObject({ memory, context: 64 });
  expect(weights + cache + compute).toBeLessThanOrEqual(memory);
});

it('refuses to replace the model, before anything is measured', async () => {
  const model = join(temporaryFolder(), 'model.safetensors');
  await copyFile(join(sampleFolder, 'model.safetensors'), model);
  const cacheDir = join(folder, 'unused');
  const goal = { budget: { kind: 'bits-per-weight', value: 5 } } as const;
  await expect(
    request('plan/recommend', { ...asked, path: model, cacheDir, goal, out: model }),
  ).rejects.toThrow(model);
  expect(existsSync(cacheDir)).toBe(false);
});

it.each([
  ['none', {}],
  ['two', { budget: { kind: 'bytes', value: 1 }, targets: { mean: 1 } }],
  ['a budget without a size', { budget: { kind: 'bytes', value: -1 } }],
  ['a target that there is not', { targets: { median: 1 } }],
  ['a memory without a type of keys', { fit: { memory: 1e9, sequences: 1 } }],
])('refuses %s as a goal', async (_, goal) => {
  await expect(request('plan/recommend', { ...asked, goal: goal as never })).rejects.toThrow(
    'plan/recommend: "goal"',
  );
});
