import { fork, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { bundledRuntime } from '../../../src/graph/runtimeLibraries';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { buildPrograms, type Programs } from '../../support/programs';

const folder = temporaryFolder();
const text = join(sampleFolder, 'generated-eval.txt');
const places = ['home', 'tmp', 'cwd'] as const;
let programs: Programs;
let tests = 0;

beforeAll(async () => {
  programs = await buildPrograms();
});

/** Folders that the process takes for its user's, and an environment in which nothing is switched off yet. */
function newUser() {
  const user = join(folder, String(tests++));
  for (const place of places) mkdirSync(join(user, place), { recursive: true });
  const at = (place: string): string => join(user, place);
  const off = { ORT_DISABLE_TELEMETRY: undefined, XDG_CACHE_HOME: undefined };
  const env = { ...process.env, ...off, HOME: at('home'), TMPDIR: at('tmp'), QUANTSCOPE_CACHE: at('cache') };
  const files = (): string[] =>
    places.flatMap((place) =>
      readdirSync(at(place), { recursive: true, encoding: 'utf8' }).map((name) => join(place, name)),
    );
  return { options: { env, cwd: at('cwd') }, files };
}

/** Internet sockets that a process has open (Linux): the inodes of its descriptors that the tables of the kernel list. */
function socketsOf(pid: number): string[] {
  const proc = `/proc/${pid}`;
  const tables = ['tcp', 'tcp6', 'udp', 'udp6'].map((name) => textOf(join(proc, 'net', name))).join('');
  const inodes = new Set(tables.split('\n').flatMap((line) => line.trim().split(/\s+/)[9] ?? []));
  const descriptors = existsSync(join(proc, 'fd')) ? namesIn(join(proc, 'fd')) : [];
  return descriptors.flatMap((name) => {
    const [, inode] = /^socket:\[(\d+)\]$/.exec(targetOf(join(proc, 'fd', name))) ?? [];
    return inode !== undefined && inodes.has(inode) ? [inode] : [];
  });
}

const quietly = <T>(read: () => T, otherwise: T): T => {
  try {
    return read();
  } catch {
    return otherwise; // it has ended already
  }
};
const textOf = (file: string): string => quietly(() => readFileSync(file, 'utf8'), '');
const namesIn = (path: string): string[] => quietly(() => readdirSync(path), []);
const targetOf = (path: string): string => quietly(() => readlinkSync(path), '');

/** Runs to the end. @returns exit status, and the sockets that were seen open, looked for as often as possible. */
function watch(child: ChildProcess): Promise<{ code: number | null; sockets: string[] }> {
  const sockets = new Set<string>();
  const timer = setInterval(() => socketsOf(child.pid!).forEach((socket) => sockets.add(socket)), 1);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      clearInterval(timer);
      resolve({ code, sockets: [...sockets] });
    });
  });
}

describe.skipIf(!bundledRuntime())('ONNX Runtime keeps to itself', () => {
  it.each([
    ['eval', ['--windows', '1', '--context', '64']],
    ['imatrix', ['--windows', '1', '--context', '64', '--out', '../cache/m.gguf']],
  ])('in quantscope %s: no file, no socket', async (command, options) => {
    const { options: user, files } = newUser();
    const args = [programs.cli, command, sampleFolder, '--text', text, '--device', 'cpu', ...options];
    const { code, sockets } = await watch(spawn(process.execPath, args, { ...user, stdio: 'ignore' }));
    expect(code).toBe(0);
    expect(files()).toEqual([]);
    expect(sockets).toEqual([]);
  });

  it.each(['command', 'engine'] as const)('in a probe of the %s: no file, no socket', async (program) => {
    const { options: user, files } = newUser();
    const child = fork(programs[program], ['--probe', 'ort-cpu'], { ...user, execArgv: [], stdio: 'ignore' });
    const verdict = new Promise((resolve) => child.on('message', resolve));
    const { sockets } = await watch(child);
    expect(await verdict).toMatchObject({ ok: true });
    expect(files()).toEqual([]);
    expect(sockets).toEqual([]);
  });
});
