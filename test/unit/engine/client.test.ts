import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { EngineClient, type EngineOptions } from '../../../src/engine/client';
import { temporaryFolder, writeFile } from '../../support/files';

const folder = temporaryFolder();
const ready =
  "process.send({ kind: 'ready', version: 'test' });\nprocess.on('disconnect', () => process.exit(0));\n";

/** Programs that behave as an engine may at its worst. */
const programs = {
  crashing: "console.error('no memory for this');\nprocess.exit(3);\n",
  silent: `${ready}process.on('message', () => {});\n`,
  /** Dies on the first request of its life and says why. */
  fragile: `${ready}process.on('message', () => process.stderr.write('something broke\\n', () => process.exit(7)));\n`,
  answering: `${ready}process.on('message', (m) => { if (m.kind === 'request') process.send({ kind: 'result', id: m.id, result: process.pid }); });\n`,
} as const;

const clients: EngineClient[] = [];
afterEach(() => clients.splice(0).forEach((client) => client.dispose()));

function clientOf(program: keyof typeof programs, options: Partial<EngineOptions> = {}): EngineClient {
  const entry = writeFile(folder, `${program}.mjs`, programs[program]);
  const client = new EngineClient({ entry, ...options });
  clients.push(client);
  return client;
}

const ask = (client: EngineClient, signal?: AbortSignal): Promise<unknown> =>
  client.call('formats/list', {}, signal ? { signal } : {});
const pidOf = (client: EngineClient): number | undefined => client.processes[0]?.pid;

describe('EngineClient with real processes', () => {
  it('starts the process with the first call and keeps it', async () => {
    const client = clientOf('answering');
    expect(client.processes).toEqual([]);
    const first = await ask(client);
    expect(first).toBe(pidOf(client));
    expect(await ask(client)).toBe(first);
  });

  it('rejects a pending call with the exit status and the last output when the process ends', async () => {
    const exits: string[] = [];
    const client = clientOf('fragile', { onExit: (reason) => exits.push(reason) });
    const failure = expect(ask(client)).rejects;
    await failure.toMatchObject({
      code: 'ENGINE_DIED',
      message: expect.stringMatching(/exit status 7.*Last output: something broke/s) as string,
    });
    expect(exits).toEqual(['exit status 7']);
    expect(client.processes).toEqual([]);
  });

  it('rejects every call that is pending when the process is killed, and starts another for the next', async () => {
    const client = clientOf('silent');
    const pending = [ask(client), ask(client), ask(client)].map((call) =>
      call.then(
        () => 'answered',
        (error: { code: string }) => error.code,
      ),
    );
    await expect.poll(() => pidOf(client)).toBeDefined();
    const killed = pidOf(client)!;
    process.kill(killed, 'SIGKILL');
    expect(await Promise.all(pending)).toEqual(['ENGINE_DIED', 'ENGINE_DIED', 'ENGINE_DIED']);
    const again = ask(client).catch(() => 'ended');
    await expect.poll(() => pidOf(client)).toBeDefined();
    expect(pidOf(client)).not.toBe(killed);
    client.dispose();
    expect(await again).toBe('ended');
  });

  it('stops restarting after five crashes, until a restart is asked for', async () => {
    const exits: string[] = [];
    const client = clientOf('crashing', { onExit: (reason) => exits.push(reason) });
    for (let crash = 0; crash < 5; crash++)
      await expect(ask(client)).rejects.toThrow(/exit status 3.*no memory for this/s);
    await expect(ask(client)).rejects.toThrow(/ended 5 times within a minute and will not be restarted/);
    await expect(ask(client)).rejects.toMatchObject({ code: 'ENGINE_DIED' });
    expect(exits).toHaveLength(5);
    await expect(client.restart()).rejects.toMatchObject({ code: 'ENGINE_DIED' });
    expect(exits).toHaveLength(6);
  });

  it('kills a process that does not stop a cancelled request; that is not a crash', async () => {
    const exits: string[] = [];
    const client = clientOf('silent', { onExit: (reason) => exits.push(reason) });
    const controller = new AbortController();
    await client.restart(); // it has started: the request is not just taken out of the queue
    const call = ask(client, controller.signal);
    const pid = pidOf(client)!;
    controller.abort();
    await expect(call).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect.poll(() => isAlive(pid)).toBe(false);
    expect(exits).toEqual([]);
  });

  it('settles a call made just before it is disposed', async () => {
    const client = clientOf('answering');
    await ask(client);
    const call = ask(client);
    client.dispose();
    await expect(call).rejects.toMatchObject({ code: 'ENGINE_DIED' });
  });

  it('settles a call made just before a restart', async () => {
    const client = clientOf('answering');
    const before = await ask(client);
    const call = ask(client).catch((error: { code: string }) => error.code);
    await client.restart();
    expect([pidOf(client), 'ENGINE_DIED']).toContain(await call);
    expect(await ask(client)).not.toBe(before);
  });

  it('names an entry point that does not exist', async () => {
    const client = new EngineClient({ entry: join(folder, 'absent.mjs') });
    clients.push(client);
    await expect(ask(client)).rejects.toMatchObject({ code: 'ENGINE_DIED' });
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
