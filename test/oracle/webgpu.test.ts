import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { describe, expect, it } from 'vitest';
import type { ErrorSums } from '../../src/native';
import { graphFormats } from '../support/graphFormats';
import { projectRoot } from '../support/files';

/** Chromium brings a Vulkan that runs on the CPU: slow, and enough to see that every node has a kernel on WebGPU. */
const chromium = '/usr/lib/chromium';
const driver = join(chromium, 'vk_swiftshader_icd.json');
const hasDriver = existsSync(driver) && existsSync(join(chromium, 'libvulkan.so.1'));
if (!hasDriver) console.warn(`WebGPU tests are skipped: there is no ${driver}.`);

type Results = Record<string, { ours: ErrorSums; theirs?: ErrorSums; error?: string }>;

/** In a process of its own: the loader reads these variables once, and a broken provider takes its process down. */
function measure(device: string): Results {
  const outfile = join(projectRoot, 'test-results', 'measureChild.mjs');
  buildSync({
    entryPoints: [join(projectRoot, 'test', 'support', 'measureChild.ts')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['onnxruntime-node'],
    outfile,
  });
  const env = { ...process.env, LD_LIBRARY_PATH: chromium, VK_ICD_FILENAMES: driver };
  const { stdout, stderr } = spawnSync(process.execPath, [outfile, device], { env, encoding: 'utf8' });
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as Results;
}

describe.skipIf(!hasDriver)('fake-quant graphs on WebGPU', () => {
  it('run on the device alone and agree with the addon in every format', () => {
    const results = measure('webgpu');
    for (const {
      format: { id },
    } of graphFormats) {
      const { ours, theirs, error } = results[id]!;
      expect(error, id).toBeUndefined();
      expect(Math.abs(theirs!.error - ours.error), id).toBeLessThanOrEqual(
        1e-4 * Math.max(ours.error, ours.source * 1e-9),
      );
      expect(Math.abs(theirs!.source - ours.source), id).toBeLessThanOrEqual(1e-4 * ours.source);
    }
  });
});
