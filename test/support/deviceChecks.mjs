import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { bundleForNode } from './bundle.mjs';

/** Chromium brings a Vulkan that runs on the CPU: slow, and enough to see that every node has a kernel on WebGPU. */
const chromium = '/usr/lib/chromium';
const driver = join(chromium, 'vk_swiftshader_icd.json');
export const hasSoftwareDriver = existsSync(driver) && existsSync(join(chromium, 'libvulkan.so.1'));

/**
 * Runs the checks of a device in a process of its own: the loader reads its variables once, and a broken provider takes its process
 * down. Resolves with the probe's report and all checks.
 */
export async function runDeviceChecks({ device, software = false, only = '', onCheck = () => {} }) {
  const program = await bundleForNode('test/device/child.ts', 'deviceChild');
  const env = software
    ? {
        ...process.env,
        LD_LIBRARY_PATH: chromium,
        VK_ICD_FILENAMES: driver,
        QUANTSCOPE_ALLOW_SOFTWARE_GPU: '1',
      }
    : process.env;
  const child = spawn(process.execPath, [program, device, only], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stderr.on('data', (data) => (output = (output + data).slice(-4000)));
  let report;
  const checks = [];
  const lines = createInterface({ input: child.stdout });
  const closed = new Promise((resolve) => child.on('close', resolve));
  for await (const line of lines) {
    const value = JSON.parse(line);
    if (!report) {
      report = value;
      continue;
    }
    // JSON has no NaN: what could not be compared is null.
    const check = { ...value, ok: value.difference !== null && value.difference < value.bound };
    checks.push(check);
    onCheck(check);
  }
  const code = await closed;
  if (!report || code !== 0) throw new Error(`The checks of ${device} ended with ${code}: ${output}`);
  return { report, checks };
}
