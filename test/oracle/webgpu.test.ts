import { describe, expect, it } from 'vitest';
import { graphFormats } from '../support/graphFormats';
import { hasSoftwareDriver, runDeviceChecks } from '../support/deviceChecks.mjs';

if (!hasSoftwareDriver)
  console.warn('WebGPU tests are skipped: Chromium’s software Vulkan is not installed.');

/** The rest is run by npm run check:device, here on a software adapter in minutes, on a GPU in seconds. */
const tried = /^errors of|^logits of ((llama|mixtral|gemma2|qwen35), a window|qwen3, token)|with Q4_K/.source;

describe.skipIf(!hasSoftwareDriver)('WebGPU, with no node on the CPU', () => {
  it('agrees with the addon in every format and with an independent forward pass', async () => {
    const { report, checks } = await runDeviceChecks({ device: 'webgpu', software: true, only: tried });
    expect(report.chosen).toBe('webgpu');
    expect(checks.length).toBeGreaterThan(graphFormats.length + 4);
    for (const { name, difference, bound, error } of checks) {
      expect(error, name).toBeUndefined();
      expect(difference, name).toBeLessThan(bound);
    }
  });
});
