import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makePlan, printPlan } from '../../src/ampq/planFile';
import { architectures } from '../../src/architectures/registry';
import { engineJobs } from '../support/engineJobs';
import { temporaryFolder } from '../support/files';
import { hasOracle, llamaCpp } from '../support/llamaCpp';
import { writeSyntheticGguf } from '../support/syntheticGguf';
import { undescribedModels } from '../support/undescribedModels';
import { tabled } from '../../src/protocol/tensorTable';

const folder = temporaryFolder();
const cacheDir = join(folder, 'cache');
const { request } = engineJobs(cacheDir);
const fileTypes = { Q4_K_M: 15, Q2_K: 10 } as const;

describe.skipIf(!hasOracle)('GGUF files of architectures without a description', () => {
  it('are of 18 architectures, none of which has one', () => {
    const described = new Set(architectures.map(({ name }) => name));
    const names = Object.keys(undescribedModels);
    expect(names.filter((name) => !described.has(name))).toHaveLength(18);
  });

  it.each(Object.entries(undescribedModels))(
    '%s: is quantized as llama.cpp does it, measured, compared and planned',
    async (name, spec) => {
      const path = join(folder, `${name}.gguf`);
      const to = (type: string, who: string): string => join(folder, `${name}-${type}-${who}.gguf`);
      await writeSyntheticGguf(path, spec);
      const runs = Object.entries(fileTypes).map(([type, fileType]) => ({
        to: to(type, 'theirs'),
        fileType,
      }));
      expect((await llamaCpp('quantize', { from: path, runs })).codes).toEqual([0, 0]);
      for (const type of Object.keys(fileTypes)) {
        await request('export/gguf', { path, type, out: to(type, 'ours') });
        const same = readFileSync(to(type, 'ours')).equals(readFileSync(to(type, 'theirs')));
        expect(same, type).toBe(true);
      }

      const { tensors, architecture } = tabled(await request('model/open', { path }));
      expect(architecture).toBe(name);
      const matrix = tensors.find(({ name: tensor }) => tensor === `blk.3.${spec.parts![0]}.weight`)!;
      const { statistics } = await request('tensor/analyse', { path, tensor: matrix.name });
      expect(statistics).toMatchObject({ count: 512, nans: 0 });

      const other = to('Q4_K_M', 'ours');
      const { counts, relativeError } = await request('model/compare', { path, other });
      expect(counts.different + counts.equal).toBe(tensors.length);
      expect(relativeError).toBeGreaterThan(0.01);
      expect(relativeError).toBeLessThan(0.2);

      const formats = ['Q4_K', 'Q6_K', 'Q8_0'];
      const table = await request('sensitivity/run', { path, device: 'cpu', cacheDir, formats });
      const plan = makePlan(table, { kind: 'bits-per-weight', value: 7 });
      expect(new Set(plan.assignments.map(({ format }) => format)).size).toBeGreaterThan(1);
      const planFile = join(folder, `${name}.ampq.json`);
      writeFileSync(planFile, printPlan(plan));
      await request('export/gguf', { path, planFile, out: to('plan', 'ours') });
      const planned = tabled(await request('model/open', { path: to('plan', 'ours') }));
      const written = new Map(planned.tensors.map(({ name: tensor, dtype }) => [tensor, dtype]));
      for (const { tensor, format } of plan.assignments) expect(written.get(tensor)).toBe(format);
    },
  );
});
