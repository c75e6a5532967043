import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EngineClient } from '../../../src/engine/client';
import { unseal } from '../../../src/model/sealedJson';
import type { EngineProgress } from '../../../src/protocol/engine';
import { sampleFolder, sampleWeights, temporaryFolder } from '../../support/files';
import { buildPrograms } from '../../support/programs';

/** Formats whose searches take so long that a run can be stopped on its way. */
const formats = ['IQ3_S', 'Q2_K', 'Q3_K', 'IQ4_XS', 'Q4_K', 'Q5_K'];
const cells = 44 * formats.length; // quantizable matrices of the sample × formats
let client: EngineClient;
let entry: string;

beforeAll(async () => {
  entry = (await buildPrograms()).engine;
  client = new EngineClient({ entry });
});
afterAll(() => client.dispose());

const pidOf = (kind: 'interactive' | 'job'): number | undefined =>
  client.processes.find((process) => process.kind === kind)?.pid;

function measure(cacheDir: string, onProgress?: (progress: EngineProgress) => void, signal?: AbortSignal) {
  return client.call(
    'sensitivity/run',
    { path: sampleFolder, device: 'cpu', cacheDir, formats, weightsOnly: true },
    { ...(onProgress ? { onProgress } : {}), ...(signal ? { signal } : {}) },
  );
}

/** Complete lines of the store: cells that were measured, one line each. */
function storedCells(cacheDir: string): { tensor: string; format: string }[] {
  const file = join(cacheDir, readdirSync(cacheDir)[0]!);
  return readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line) => {
      const cell = unseal(line) as { tensor: string; format: string } | undefined;
      return cell ? [cell] : []; // one may be torn by the kill
    });
}

describe('the engine process', () => {
  it('loses at most one cell when it is killed during a sensitivity run', async () => {
    const cacheDir = temporaryFolder();
    let killed = 0;
    const run = measure(cacheDir, ({ done }) => {
      if (done < 5 || killed !== 0) return;
      killed = pidOf('job')!;
      process.kill(killed, 'SIGKILL');
    });
    await expect(run).rejects.toMatchObject({ code: 'ENGINE_DIED' });
    const kept = storedCells(cacheDir).length;
    expect(kept).toBeGreaterThanOrEqual(5);
    expect(kept).toBeLessThan(cells);

    let first: EngineProgress | undefined;
    const table = await measure(cacheDir, (progress) => (first ??= progress));
    expect(pidOf('job')).not.toBe(killed);
    expect([first?.done, first?.total]).toEqual([kept, cells]); // it continues to count
    expect(table.rows.reduce((sum, row) => sum + row.cells.length, 0)).toBe(cells);
    const stored = storedCells(cacheDir);
    expect(stored).toHaveLength(cells); // nothing was measured twice
    expect(new Set(stored.map(({ tensor, format }) => `${tensor} ${format}`)).size).toBe(cells);
  });

  it('stops a cancelled run, stays alive and keeps what was measured', async () => {
    const cacheDir = temporaryFolder();
    const controller = new AbortController();
    const run = measure(cacheDir, ({ done }) => done >= 5 && controller.abort(), controller.signal);
    await expect(run).rejects.toMatchObject({ code: 'CANCELLED' });
    const pid = pidOf('job');
    expect(pid).toBeGreaterThan(0);
    const stored = await client.call('sensitivity/stored', { path: sampleFolder, cacheDir });
    expect(pidOf('job')).toBe(pid);
    const kept = stored!.rows.reduce((sum, row) => sum + row.cells.length, 0);
    expect(kept).toBe(storedCells(cacheDir).length);
    expect(kept).toBeLessThan(cells);
  });

  it('leaves no file of an export that its owner abandons', async () => {
    const folder = temporaryFolder();
    const out = join(folder, 'abandoned.gguf');
    const abandoned = new EngineClient({
      entry: (client as unknown as { options: { entry: string } }).options.entry,
    });
    const call = abandoned.call(
      'export/gguf',
      { path: sampleFolder, out, type: 'Q4_K_M' },
      { onProgress: () => abandoned.dispose() },
    );
    await expect(call).rejects.toMatchObject({ code: 'ENGINE_DIED' });
    await expect.poll(() => readdirSync(folder)).toEqual([]);
  });

  it('transfers errors with their place', async () => {
    const call = client.call('tensor/analyse', { path: sampleWeights, tensor: 'no.such.weight' });
    await expect(call).rejects.toMatchObject({ code: 'REQUEST', place: { tensor: 'no.such.weight' } });
  });

  it.each([
    ['model/open', { path: 'relative/model.gguf' }, /"path"/],
    ['model/open', { path: 7 }, /"path"/],
    ['model/limits', { path: 7 }, /"path"/],
    ['tensor/quantize', { path: sampleWeights, choices: [{ tensor: 'x' }], out: '/x' }, /"choices"/],
    ['sensitivity/run', { path: sampleFolder, device: 'tpu', cacheDir: '/x' }, /"device"/],
    ['export/gguf', { path: sampleFolder, out: 'relative.gguf', type: 'F16' }, /"out"/],
    ['no/such', {}, /no\/such/],
  ])('rejects %s with %o', async (method, params, message) => {
    const call = client.call(method as 'model/open', params as { path: string });
    await expect(call).rejects.toMatchObject({
      code: 'REQUEST',
      message: expect.stringMatching(message) as string,
    });
  });

  it('keeps running when a request fails', async () => {
    const pid = pidOf('interactive');
    const absent = join(sampleFolder, 'absent.gguf');
    await expect(client.call('model/open', { path: absent })).rejects.toMatchObject({
      code: 'IO',
      place: { file: absent },
    });
    const model = await client.call('model/open', { path: sampleFolder });
    expect(model.tensors.count).toBe(57);
    expect(await client.call('model/limits', { path: sampleFolder })).toEqual({});
    expect(pidOf('interactive')).toBe(pid);
  });
});
