import { writeFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { EngineClient } from '../../../src/engine/client';
import { forkEngine } from '../../../src/engine/clientTransport';
import { projectRoot, sampleFolder, temporaryFolder, writeFile } from '../../support/files';

const folder = temporaryFolder();
/** The bundle that ships; npm test builds it first. */
const entry = join(projectRoot, 'dist', 'engine.mjs');
const clients: EngineClient[] = [];

function client(options: { entry?: string; onExit?: (reason: string) => void } = {}): EngineClient {
  const created = new EngineClient({ entry, ...options });
  clients.push(created);
  return created;
}

afterEach(() => {
  for (const created of clients.splice(0)) created.dispose();
});

describe('the engine process', () => {
  it('answers requests from a process of its own', async () => {
    const engine = client();
    const model = await engine.call('model/open', { path: sampleFolder });
    expect(model.tensors.count).toBe(57);
    expect(engine.processes.map(({ kind }) => kind)).toEqual(['interactive']);
    expect(engine.processes[0]!.pid).not.toBe(process.pid);
  });

  it('rejects with the error of the engine, place included', async () => {
    const error: unknown = await client()
      .call('tensor/analyse', { path: sampleFolder, tensor: 'no.such' })
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'REQUEST', place: { tensor: 'no.such' } });
  });

  it('reports the last step of a request before its answer, however fast the steps came', async () => {
    const steps: (readonly [number, number])[] = [];
    const choices = [0, 1, 2, 3].map((block) => ({
      ...{ tensor: `model.layers.${block}.input_layernorm.weight`, format: 'F16' },
    }));
    await client().call(
      'tensor/quantize',
      { path: sampleFolder, choices, out: join(folder, 'norms.safetensors') },
      { onProgress: ({ done, total }) => steps.push([done, total]) },
    );
    const [done, total] = steps.at(-1)!;
    expect([done, total > 0]).toEqual([total, true]);
  });

  it('rejects parameters of the wrong kind', async () => {
    const call = client().call('tensor/compare', {
      path: sampleFolder,
      tensor: 'x',
      formats: 7 as unknown as string[],
    });
    await expect(call).rejects.toThrow(/"formats" is 7/);
  });

  it('rejects running requests when the process is killed, and resumes with the finished cells', async () => {
    const cacheDir = join(folder, 'killed');
    let exits = 0;
    const engine = client({ onExit: () => (exits += 1) });
    let done = 0;
    const killed = engine.call(
      'sensitivity/run',
      { path: sampleFolder, device: 'cpu', cacheDir, weightsOnly: true },
      {
        onProgress: (progress) => {
          done = progress.done;
          const job = engine.processes.find(({ kind }) => kind === 'job');
          if (progress.done > 2 && job) process.kill(job.pid!, 'SIGKILL');
        },
      },
    );
    await expect(killed).rejects.toMatchObject({ code: 'ENGINE_DIED' });
    expect(exits).toBe(1);
    let first: number | undefined;
    const table = await engine.call(
      'sensitivity/run',
      { path: sampleFolder, device: 'cpu', cacheDir, weightsOnly: true },
      { onProgress: (progress) => (first ??= progress.done) },
    );
    const cells = table.rows.reduce((sum, row) => sum + row.cells.length, 0);
    expect(cells).toBe(44 * 6);
    expect(first).toBeGreaterThanOrEqual(done);
  });

  it('answers a ping while it works on a request', async () => {
    const heard: string[] = [];
    const transport = forkEngine({ entry })('interactive', {
      message: ({ kind }) => kind !== 'log' && heard.push(kind),
      output: () => undefined,
      ended: () => undefined,
    });
    transport.send({ kind: 'request', id: 1, method: 'model/open', params: { path: sampleFolder } });
    transport.send({ kind: 'ping' });
    await expect.poll(() => [...heard].sort()).toEqual(['pong', 'ready', 'result']);
    expect(heard.indexOf('pong')).toBeLessThan(heard.indexOf('result'));
    transport.kill();
  });

  it('runs a long job at a lower priority than the editor', async () => {
    const engine = client();
    let priority: number | undefined;
    await engine.call(
      'sensitivity/run',
      { path: sampleFolder, device: 'cpu', cacheDir: join(folder, 'priority') },
      { onProgress: () => (priority ??= getPriority(engine.processes[0]!.pid)) },
    );
    expect(priority).toBe(Math.min(getPriority() + 10, 19));
  });

  it('cancels a job', async () => {
    const controller = new AbortController();
    const call = client().call(
      'sensitivity/run',
      { path: sampleFolder, device: 'cpu', cacheDir: join(folder, 'cancelled') },
      { signal: controller.signal, onProgress: () => controller.abort() },
    );
    await expect(call).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('stops restarting a process that keeps dying, until it is asked to', async () => {
    const crashing = writeFile(folder, 'crash.mjs', 'console.error("out of luck"); process.exit(3);');
    const engine = client({ entry: crashing });
    for (let i = 0; i < 5; i++) {
      await expect(engine.call('formats/list', {})).rejects.toThrow(/exit status 3.*out of luck/);
    }
    await expect(engine.call('formats/list', {})).rejects.toThrow(/ended 5 times/);
    writeFileSync(crashing, `await import(${JSON.stringify(entry)});`);
    await engine.restart();
    expect((await engine.call('formats/list', {})).length).toBeGreaterThan(10);
  });
});
