import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { isAlive } from '../../../src/files/processSpace';
import { probeDevices } from '../../../src/graph/probe';
import { loadNative } from '../../../src/native';
import { projectRoot, temporaryFolder, writeFile } from '../../support/files';
import { buildPrograms } from '../../support/programs';

const folder = temporaryFolder();
/** Chromium's Vulkan on the CPU. */
const chromium = '/usr/lib/chromium';
const driver = join(chromium, 'vk_swiftshader_icd.json');
const hasDriver = existsSync(driver) && existsSync(join(chromium, 'libvulkan.so.1'));
if (!hasDriver) console.warn(`Probes of a software GPU are skipped: there is no ${driver}.`);
const addon = `native addon, ${loadNative().simd}`;
const cudaLibrary = join(
  projectRoot,
  'node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime_providers_cuda.so',
);

describe('probeDevices', () => {
  let childEntry = '';
  beforeAll(async () => {
    childEntry = (await buildPrograms()).engine;
  });

  beforeEach(() => {
    vi.stubEnv('QUANTSCOPE_CACHE', folder);
    vi.stubEnv('QUANTSCOPE_GPU_RUNTIME', join(folder, 'none'));
  });
  afterEach(() => vi.unstubAllEnvs());

  /** What the probe of ONNX Runtime's CPU provider says when its child is this program. */
  const withChild = (name: string, source: string, signal?: AbortSignal) =>
    probeDevices('ort-cpu', {
      refresh: true,
      childEntry: writeFile(folder, `${name}.mjs`, source),
      ...(signal ? { signal } : {}),
    });

  it('takes the addon without starting anything when it is named', async () =>
    expect(await probeDevices('cpu', { childEntry: '/nowhere' })).toEqual({
      chosen: 'cpu',
      label: addon,
      refused: [],
    }));

  it('accepts a provider whose numbers are those of the addon', async () =>
    expect(await probeDevices('ort-cpu', { refresh: true, childEntry })).toEqual({
      chosen: 'ort-cpu',
      label: 'ONNX Runtime, CPU',
      refused: [],
    }));

  it('reports how a crashed child ended and what it printed last', async () =>
    await expect(
      withChild(
        'crash',
        "process.stderr.write('first\\nno such driver\\n', () => process.kill(process.pid, 'SIGSEGV'));",
      ),
    ).rejects.toMatchObject({
      code: 'DEVICE',
      message: expect.stringMatching(
        /ort-cpu cannot be used: Its probe ended with SIGSEGV\. no such driver/,
      ) as string,
    }));

  it('passes on the reason of a child that rejects the device', async () =>
    await expect(
      withChild('refuse', "process.send({ ok: false, reason: 'The adapter is asleep.' });"),
    ).rejects.toThrow('The device ort-cpu cannot be used: The adapter is asleep.'));

  it('ends the child when the request is cancelled', async () => {
    const controller = new AbortController();
    const started = join(folder, 'started');
    const program = `
      import { writeFileSync } from 'node:fs';
      writeFileSync(${JSON.stringify(started)}, String(process.pid));
      setInterval(() => {}, 1000);`;
    const probing = withChild('wait', program, controller.signal);
    const pidOf = () => (existsSync(started) ? Number(readFileSync(started, 'utf8')) : 0);
    await expect.poll(pidOf).toBeGreaterThan(0);
    const pid = pidOf();
    controller.abort();
    await expect(probing).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect.poll(() => isAlive({ space: '', pid, start: 0 })).toBe(false);
  });

  it('adds which library ONNX Runtime could not load, which only its output says', async () =>
    await expect(
      withChild(
        'unloadable',
        "console.error('E: Failed to load library /a/b.so with error: no such symbol'); process.send({ ok: false, reason: 'It failed.' });",
      ),
    ).rejects.toThrow('It failed. Failed to load library /a/b.so with error: no such symbol.'));

  describe('remembers a verdict', () => {
    /** Accepts the device, and names the verdict after the time. */
    const program = writeFile(
      folder,
      'clock.mjs',
      'process.send({ ok: true, label: `at ${process.hrtime.bigint()}` }, () => process.exit());',
    );
    const label = async (options: { refresh?: boolean } = {}): Promise<string> =>
      (await probeDevices('ort-cpu', { childEntry: program, ...options })).label;

    it('until it is asked to look again', async () => {
      const first = await label();
      expect(await label()).toBe(first);
      expect(await label({ refresh: true })).not.toBe(first);
    });

    it('in a file, with what it depends on', async () => {
      const found = await label({ refresh: true });
      const file: unknown = JSON.parse(readFileSync(join(folder, 'devices.json'), 'utf8'));
      expect(Object.values(file as object).at(-1)).toMatchObject({
        ...{ ok: true, label: found, device: 'ort-cpu' },
        onnxruntime: expect.stringMatching(/^\d+\.\d+\.\d+/) as string,
      });
    });

    it('until a driver, a variable that drivers read, or the program changes', async () => {
      const driver = writeFile(folder, 'driver.json', '{}');
      vi.stubEnv('VK_ICD_FILENAMES', driver);
      const first = await label();
      writeFileSync(driver, '{ "newer": true }');
      const second = await label();
      expect(second).not.toBe(first);
      vi.stubEnv('CUDA_VISIBLE_DEVICES', '1');
      const third = await label();
      expect(third).not.toBe(second);
      expect(await label()).toBe(third);
      writeFileSync(program, `${readFileSync(program, 'utf8')}\n`);
      expect(await label()).not.toBe(third);
    });
  });

  describe.skipIf(existsSync(cudaLibrary))("where ONNX Runtime's CUDA library is missing", () => {
    it('rejects a named CUDA device with a sentence', async () =>
      await expect(probeDevices('cuda', { refresh: true, childEntry })).rejects.toMatchObject({
        code: 'DEVICE',
        message: expect.stringMatching(/^The device cuda cannot be used: .*CUDA.*\.$/) as string,
      }));

    it('falls back if no device is named, and keeps the reasons in order', async () => {
      vi.stubEnv('LD_LIBRARY_PATH', '');
      const { chosen, label, refused } = await probeDevices('auto', { refresh: true, childEntry });
      expect(refused[0]).toEqual({ device: 'cuda', reason: expect.stringContaining('CUDA') as string });
      if (chosen === 'cpu') {
        expect(label).toBe(addon);
        expect(refused.map(({ device }) => device)).toEqual(['cuda', 'webgpu']);
        await expect(probeDevices('webgpu', { childEntry })).rejects.toMatchObject({
          code: 'DEVICE',
          message: `The device webgpu cannot be used: ${refused[1]!.reason}`,
        });
      } else {
        expect(chosen).toBe('webgpu');
      }
    });
  });

  describe.skipIf(!hasDriver)('on a GPU that is software', () => {
    const probe = (allow: string) => {
      vi.stubEnv('LD_LIBRARY_PATH', chromium);
      vi.stubEnv('VK_ICD_FILENAMES', driver);
      vi.stubEnv('QUANTSCOPE_ALLOW_SOFTWARE_GPU', allow);
      return probeDevices('webgpu', { refresh: true, childEntry });
    };

    it('rejects it with an error naming it', async () =>
      await expect(probe('')).rejects.toMatchObject({
        code: 'DEVICE',
        message: expect.stringContaining('SwiftShader is a software renderer') as string,
      }));

    it('accepts it when that is allowed', async () =>
      expect(await probe('1')).toEqual({ chosen: 'webgpu', label: 'WebGPU (SwiftShader)', refused: [] }));
  });
});
