import { fork, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { checkPin, gpuPackage } from '../../../src/engine/gpuRuntime/offer';
import type { JobContext } from '../../../src/engine/job';
import { createJobs } from '../../../src/engine/jobs';
import { OpenModels } from '../../../src/engine/models';
import { bundledRuntime } from '../../../src/graph/runtimeLibraries';
import type { EngineProgress } from '../../../src/protocol/engine';
import type { GpuRuntimeOffer } from '../../../src/protocol/gpuRuntime';
import { size } from '../../../src/protocol/words';
import { projectRoot, temporaryFolder } from '../../support/files';
import { servePackage, type PackageSource } from '../../support/packageSource';
import { buildPrograms, runProgram, type Programs } from '../../support/programs';
import {
  buildStandIns,
  canBuildStandIns,
  cudaLibraries,
  cudnnLibrary,
  type StandIns,
} from '../../support/standInProvider';

const folder = temporaryFolder();
const version = bundledRuntime()?.version ?? '';
const home = (name: string): string => join(folder, name);
const jobs = createJobs(new OpenModels());
const signal = new AbortController().signal;
const ignore: JobContext = { signal, progress: () => undefined };
const supported = process.platform === 'linux' && process.arch === 'x64';

/** Everything in the folder of GPU runtimes. */
const leftIn = (root: string): string[] => (existsSync(root) ? readdirSync(root) : []);

describe('the place that the CUDA libraries come from', () => {
  it("is that of onnxruntime-node's own install script", () => {
    interface Metadata {
      packages: Record<string, { name: string; versions: { feed: string; version: string }[] }>;
      manifests: Record<string, Record<string, { package: string; path: string }>>;
      feeds: Record<string, { index: string }>;
    }
    const script = join(projectRoot, 'node_modules/onnxruntime-node/script/install-metadata.js');
    const { packages, manifests, feeds } = createRequire(import.meta.url)(script) as Metadata;
    const files = Object.values(manifests[`linux/x64:cuda${gpuPackage.needs.cuda}`]!);
    for (const path of gpuPackage.libraries) expect(files.map((file) => file.path)).toContain(path);
    const { name, versions } = packages[files[0]!.package]!;
    expect(name).toBe(gpuPackage.id);
    expect(versions.map((item) => [feeds[item.feed]!.index, item.version])).toEqual([
      [gpuPackage.index, version],
    ]);
  });

  it('must state the digest that is known, where one is', () => {
    expect(checkPin('1.2.3', 'abc', { '1.2.3': 'abc', '1.2.4': 'x' })).toBeUndefined();
    expect(() => checkPin('1.2.4', 'abc', { '1.2.4': 'x' })).toThrow(
      /differs from the known one.*nothing was downloaded/,
    );
  });
});

describe.skipIf(!supported || !canBuildStandIns)('the GPU runtime', () => {
  let source: PackageSource;
  let standIns: StandIns;
  let programs: Programs;
  let root = '';
  let count = 0;

  beforeAll(async () => {
    standIns = buildStandIns(folder);
    programs = await buildPrograms();
    const [provider, bridge] = gpuPackage.libraries;
    source = await servePackage(
      gpuPackage.id,
      version,
      new Map([
        ['Microsoft.ML.OnnxRuntime.Gpu.Linux.nuspec', Buffer.from('<package/>')],
        [provider!, standIns.provider],
        [bridge!, standIns.bridge],
        ['runtimes/linux-x64/native/libonnxruntime_providers_tensorrt.so', randomBytes(3_000_000)],
      ]),
    );
  });

  beforeEach(() => {
    root = home(`runtime ${count++}: of a test`);
    vi.stubEnv('QUANTSCOPE_GPU_RUNTIME', root);
    vi.stubEnv('QUANTSCOPE_CACHE', home('cache'));
    vi.stubEnv('QUANTSCOPE_NUGET_INDEX', source.index);
    for (const key of Object.keys(source.behaviour)) delete source.behaviour[key as keyof object];
    source.asked.length = 0;
  });
  afterEach(() => vi.unstubAllEnvs());

  const installed = (): string => join(root, `onnxruntime-node-${version}`);
  const libraries = (): string => join(installed(), 'node_modules/onnxruntime-node/bin/napi-v6/linux/x64');
  const offer = (): Promise<GpuRuntimeOffer> => jobs['gpuRuntime/offer']({}, ignore);
  const install = async (context = ignore) =>
    jobs['gpuRuntime/install']({ sha512: (await offer()).sha512 }, context);
  const cli = (...args: string[]) =>
    runProgram(programs.cli, ['gpu-runtime', ...args], { cache: home('cache') });

  it('describes all of an offer before anything is fetched', async () => {
    const described = await offer();
    expect(source.asked).not.toContain('/package.nupkg');
    expect(leftIn(root)).toEqual([]);
    expect(described).toMatchObject({
      ...{ version, packageId: 'Microsoft.ML.OnnxRuntime.Gpu.Linux', source: source.index },
      ...{ downloadBytes: source.archive.length, sha512: source.sha512, folder: installed() },
    });
    const copied = 46_000_000;
    expect(described.diskBytes).toBeGreaterThan(copied);
    expect(described.diskBytes).toBeLessThan(copied + 3_000_000);
    expect(described.question).toBe(`Download ONNX Runtime's CUDA libraries ${version} (3.01 MB)?`);
    expect(described.detail.split('\n')).toEqual([
      'For: measuring models on an NVIDIA GPU. Without them, WebGPU or the native addon is used.',
      `Source: package Microsoft.ML.OnnxRuntime.Gpu.Linux ${version} of ${source.index}, from ${described.url}`,
      `Download: 3.01 MB, verified against the SHA-512 that the source states (${source.sha512.slice(0, 16)}…).`,
      `On disk: ${size(described.diskBytes)} in ${installed()}. "Quantscope: Remove GPU Runtime" (quantscope gpu-runtime remove) removes it.`,
      'Requires: an NVIDIA driver, CUDA 12 and cuDNN 9, which are not included.',
    ]);
    source.behaviour.unlisted = true;
    expect((await offer()).detail).toContain('On disk: more than ');
  });

  it('is downloaded, checked, unpacked next to a copy of the runtime, and removed', async () => {
    const steps: EngineProgress[] = [];
    source.behaviour.pause = 5;
    const status = await install({ signal, progress: (step) => steps.push(step) });
    expect(status).toMatchObject({ state: 'installed', version, folder: installed() });
    expect(leftIn(root)).toEqual([`onnxruntime-node-${version}`]);
    expect(readdirSync(libraries()).sort()).toEqual([
      'libonnxruntime.so.1',
      'libonnxruntime_providers_cuda.so',
      'libonnxruntime_providers_shared.so',
      'onnxruntime_binding.node',
    ]);
    expect(readFileSync(join(libraries(), 'libonnxruntime_providers_cuda.so'))).toEqual(standIns.provider);
    expect(status.bytes).toBeGreaterThan(46_000_000);
    const downloading = steps.filter((step) => step.message.startsWith('Downloading'));
    expect(downloading.at(-1)).toMatchObject({ done: source.archive.length, total: source.archive.length });
    expect(downloading[0]).toMatchObject({ unit: 'bytes', secondsLeft: expect.any(Number) as number });
    expect(await jobs['gpuRuntime/remove']({}, ignore)).toMatchObject({ state: 'absent', bytes: 0 });
    expect(existsSync(root)).toBe(false);
  });

  it('replaces an installed one, and those of other versions', async () => {
    await install();
    truncateSync(join(libraries(), 'libonnxruntime_providers_cuda.so'), 100);
    mkdirSync(join(root, 'onnxruntime-node-1.0.0'));
    expect(await jobs['gpuRuntime/status']({}, ignore)).toMatchObject({
      state: 'damaged',
      problem: expect.stringMatching(/providers_cuda\.so has 100 bytes instead of \d+$/) as string,
    });
    expect(await install()).toMatchObject({ state: 'installed' });
    expect(leftIn(root)).toEqual([`onnxruntime-node-${version}`]);
  });

  it.each<[string, PackageSource['behaviour'], RegExp]>([
    [
      'of a digest that differs',
      { sha512: randomBytes(64).toString('base64') },
      /its SHA-512 is .* instead of/,
    ],
    ['of another digest algorithm', { algorithm: 'SHA256' }, /does not state a SHA-512/],
    ['of a size that differs', { bytes: 1_000_000 }, /has \d+ bytes instead of the 1000000/],
    ['of a size that differs and is not announced', { bytes: 9e6, chunked: true }, /instead of the 9000000/],
    ['of more bytes than announced', { bytes: 1e6, chunked: true }, /instead of the 1000000/],
    ['of a size without sense', { bytes: -1 }, /states a size of -1/],
    ['of a connection that breaks', { cut: 1_500_000 }, /ended after \d+ of \d+ bytes/],
    ['of a body that ends early', { cut: 1_500_000, chunked: true }, /has 1500000 bytes instead of/],
    ['of an absent package', { status: 404 }, /package\.nupkg answered with HTTP status 404/],
    [
      'of a disk that is too small',
      { entryBytes: 1e15 },
      /The installation needs 2000\.0\d TB, but only [\d.]+ [MGT]B are free/,
    ],
    ['of an address without TLS', { url: 'http://example.invalid/x' }, /is not an https address/],
  ])('leaves nothing behind because %s', async (_, behaviour, message) => {
    Object.assign(source.behaviour, behaviour);
    await expect(install()).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringMatching(message) as string,
    });
    expect(existsSync(root)).toBe(false);
    expect(readdirSync(home('cache/partials'))).toEqual([]);
  });

  it('is rejected when the source changed its package after the user agreed', async () => {
    await expect(jobs['gpuRuntime/install']({ sha512: 'agreed' }, ignore)).rejects.toThrow(
      /check the new offer/,
    );
    expect(source.asked).not.toContain('/package.nupkg');
  });

  it('leaves nothing behind when it is cancelled', async () => {
    source.behaviour.pause = 20;
    const controller = new AbortController();
    const context = { signal: controller.signal, progress: () => controller.abort() };
    await expect(install(context)).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(existsSync(root)).toBe(false);
  });

  it.each([
    ['while it downloads', 1024],
    ['while it copies', 40_000],
  ])('leaves nothing behind when the disk accepts no more %s', async (_, kilobytes) => {
    const limited = `ulimit -f ${kilobytes}; exec "$0" "$@"`;
    const child = spawn('bash', [
      ...['-c', limited, process.execPath],
      ...[programs.cli, 'gpu-runtime', 'install', '--yes'],
    ]);
    let stderr = '';
    child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect(code).toBe(1);
    expect(stderr).toMatch(/^quantscope: .*EFBIG/m);
    expect(existsSync(root)).toBe(false);
  });

  it('leaves nothing behind after the next start when it is killed', async () => {
    source.behaviour.pause = 50;
    // A group of processes of its own, which ends as one.
    const args = [programs.cli, 'gpu-runtime', 'install', '--yes'];
    const child = spawn(process.execPath, args, { detached: true });
    const ended = new Promise((resolve) => child.on('close', resolve));
    await expect.poll(() => leftIn(root).join()).toMatch(/^\.onnxruntime.*\.partial$/);
    process.kill(-child.pid!, 'SIGKILL');
    await ended;
    expect(leftIn(root)).toHaveLength(1);
    expect((await cli('status')).code).toBe(0);
    expect(leftIn(root)).toEqual([]);
  });

  it('goes through the proxy of the settings', async () => {
    const connects: string[] = [];
    const proxy = createServer().on('connect', (request, socket) => {
      connects.push(request.url ?? '');
      socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    vi.stubEnv('QUANTSCOPE_NUGET_INDEX', 'https://packages.invalid/index.json');
    await expect(jobs['gpuRuntime/offer']({ proxy: address }, ignore)).rejects.toMatchObject({ code: 'IO' });
    vi.stubEnv('HTTPS_PROXY', address);
    await expect(offer()).rejects.toMatchObject({ code: 'IO' });
    vi.stubEnv('NO_PROXY', 'packages.invalid');
    await expect(offer()).rejects.toThrow(/cannot be reached/);
    expect(connects).toEqual(['packages.invalid:443', 'packages.invalid:443']);
    proxy.close();
  });

  it('is where ONNX Runtime looks for its CUDA provider', async () => {
    await install();
    const probe = (path: string): Promise<string> =>
      new Promise((resolve) => {
        const child = fork(programs.engine, ['--probe', 'cuda'], {
          stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
          env: { ...process.env, LD_LIBRARY_PATH: path },
        });
        let output = '';
        child.stderr?.on('data', (data: Buffer) => (output += data.toString()));
        child.on('close', () => resolve(output));
      });
    const provider = join(libraries(), 'libonnxruntime_providers_cuda.so');
    expect(await probe('')).toContain(`Failed to load library ${provider} with error: libcublas.so.12`);
    expect(await probe(standIns.cuda)).toMatch(/undefined symbol: GetProvider/);
  });

  it('still runs the other providers, from its copy', async () => {
    await install();
    const { code, stdout, stderr } = await cli('status', '--device', 'ort-cpu', '--refresh', '--json');
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ state: 'installed', device: { chosen: 'ort-cpu' } });
  });

  it('names the missing parts of CUDA and cuDNN, with the versions', async () => {
    const { problem } = await install();
    expect(problem).toBe(
      `ONNX Runtime's CUDA library needs CUDA 12 (${cudaLibraries.join(', ')}) and cuDNN 9 (${cudnnLibrary}): not found. ` +
        'Install CUDA 12 and cuDNN 9, or name the folder of these libraries in LD_LIBRARY_PATH.',
    );
    const cuda = jobs['device/probe']({ device: 'cuda' }, ignore);
    await expect(cuda).rejects.toThrow(`The device cuda cannot be used: ${problem}`);
    vi.stubEnv('LD_LIBRARY_PATH', standIns.cuda);
    expect((await jobs['gpuRuntime/status']({}, ignore)).problem).toBeUndefined();
  });

  describe('on the command line', () => {
    it('is described and not fetched without --yes', async () => {
      const { code, stdout, stderr } = await cli('install');
      expect(code).toBe(1);
      expect(stdout).toMatch(/^Download ONNX Runtime's CUDA libraries .*\?\nFor: .*\nSource: /);
      expect(stderr).toBe('quantscope: Nothing was downloaded; --yes agrees to the download.\n');
      expect(leftIn(root)).toEqual([]);
    });

    it('is installed, shown and removed', async () => {
      const done = await cli('install', '--yes', '--json');
      expect(done.code, done.stderr).toBe(0);
      expect(JSON.parse(done.stdout)).toMatchObject({
        state: 'installed',
        device: { refused: expect.any(Array) as [] },
      });
      expect((await cli('status')).stdout).toMatch(
        /^GPU runtime {3}installed, for ONNX Runtime [\d.]+, 46\.\d+ MB in .*\n +.*needs CUDA 12 .*\nDevice {8}/,
      );
      expect((await cli('remove')).stdout).toMatch(
        /^The GPU runtime was removed, which freed 46\.\d+ MB\.$/m,
      );
      expect((await cli('remove')).stdout).toMatch(/^There is no GPU runtime to remove\.$/m);
    });

    it('rejects an action that it does not have', async () => {
      const { code, stderr } = await cli('upgrade');
      expect(code).toBe(2);
      expect(stderr).toMatch(/gpu-runtime has no action "upgrade"; it has status, install, remove\./);
    });

    it('remembers what a probe found, until it is told to probe again', async () => {
      const label = async (...options: string[]): Promise<string> => {
        const { stdout } = await cli('status', '--device', 'ort-cpu', '--json', ...options);
        return (JSON.parse(stdout) as { device: { label: string } }).device.label;
      };
      expect(await label()).toBe('ONNX Runtime, CPU');
      const file = home('cache/devices.json');
      writeFileSync(file, readFileSync(file, 'utf8').replaceAll('ONNX Runtime, CPU', 'as remembered'));
      expect(await label()).toBe('as remembered');
      expect(await label('--refresh')).toBe('ONNX Runtime, CPU');
      writeFileSync(file, '{"damaged":');
      expect(await label()).toBe('ONNX Runtime, CPU');
    });
  });
});
