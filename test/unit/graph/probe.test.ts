import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
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

  it('tells how a child that crashes ended and what it printed last', async () =>
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

  it('passes on the reason of a child that refuses', async () =>
    await expect(
      withChild('refuse', "process.send({ ok: false, reason: 'The adapter is asleep.' });"),
    ).rejects.toThrow('The device ort-cpu cannot be used: The adapter is asleep.'));

  it('ends the child when the request is cancelled', async () => {
    const controller = new AbortController();
    const probing = withChild('wait', 'setInterval(() => {}, 1000);', controller.signal);
    setTimeout(() => controller.abort(), 200);
    await expect(probing).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('remembers a verdict until it is asked to look again', async () => {
    await probeDevices('ort-cpu', { refresh: true, childEntry });
    expect((await probeDevices('ort-cpu', { childEntry: '/nowhere' })).chosen).toBe('ort-cpu');
  });

  describe.skipIf(existsSync(cudaLibrary))("where ONNX Runtime's CUDA library is missing", () => {
    it('refuses a named CUDA device with a sentence', async () =>
      await expect(probeDevices('cuda', { refresh: true, childEntry })).rejects.toMatchObject({
        code: 'DEVICE',
        message: expect.stringMatching(/^The device cuda cannot be used: .*CUDA.*\.$/) as string,
      }));

    it('falls back when nobody names a device, and keeps the reasons in order', async () => {
      vi.stubEnv('LD_LIBRARY_PATH', '');
      const { chosen, label, refused } = await probeDevices('auto', { refresh: true, childEntry });
      expect(refused[0]).toEqual({ device: 'cuda', reason: expect.stringContaining('CUDA') as string });
      if (chosen === 'cpu') {
        expect(label).toBe(addon);
        expect(refused[1]).toEqual({ device: 'webgpu', reason: expect.stringMatching(/\w.*/) as string });
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

    it('refuses it by name', async () =>
      await expect(probe('')).rejects.toMatchObject({
        code: 'DEVICE',
        message: expect.stringContaining('SwiftShader is a software renderer') as string,
      }));

    it('takes it when that is allowed', async () =>
      expect(await probe('1')).toEqual({ chosen: 'webgpu', label: 'WebGPU (SwiftShader)', refused: [] }));
  });
});
