import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../support/files';
import { hasServer, keepFailures, openSample } from '../support/sampleEditor';
import { screenshot } from '../support/screenshots';
import type { VsCode } from '../support/vscodeServer';
import { runCommand, setTheme } from '../support/workbench';

const wait = 120_000;

describe.skipIf(!hasServer)('The checkpoint doctor', () => {
  let code: VsCode;
  let page: Page;
  const workspace = temporaryFolder();
  const settings = join(workspace, 'generation_config.json');
  const config = join(workspace, 'config.json');
  const right = { settings: '', config: '' };
  const row = (text: string) => page.locator('.markers-panel .monaco-list-row', { hasText: text });

  beforeAll(async () => {
    ({ code, page } = await openSample(workspace, wait, () => {
      right.settings = readFileSync(settings, 'utf8');
      right.config = readFileSync(config, 'utf8');
      writeFileSync(settings, right.settings.replace(/("eos_token_id": )\d+/, '$15'));
      writeFileSync(config, right.config.replace('"vocab_size"', '"pad_token_id": 5000, "vocab_size"'));
      const weights = join(workspace, 'model.safetensors');
      const bytes = readFileSync(weights);
      bytes.writeUInt16LE(0x7fc0, bytes.length - 2); // NaN as BF16
      writeFileSync(weights, bytes);
    }));
  });

  keepFailures('doctor', () => page);

  afterAll(async () => {
    await code.close();
  });

  it('lists faults in the Problems panel, and forgets those that are mended', async () => {
    const show = page.getByRole('button', { name: 'Show Problems' });
    await runCommand(page, 'Quantscope: Run Checkpoint Doctor');
    // The workbench under a test driver shows notices in their list only.
    const openList = async (): Promise<number> => {
      await runCommand(page, 'Notifications: Show Notifications');
      return show.count();
    };
    await expect.poll(openList, { timeout: wait }).toBeGreaterThan(0);
    await show.first().click();
    await row('values/nan').waitFor({ timeout: wait });
    await row('special-tokens/disagree').waitFor({ timeout: wait });
    await row('special-tokens/out-of-range').waitFor({ timeout: wait });
    await screenshot(page, 'doctor-dark');
    await setTheme(page, 'light');
    await screenshot(page, 'doctor-light');
    await page.setViewportSize({ width: 700, height: 900 });
    await screenshot(page, 'doctor-narrow');
    writeFileSync(settings, right.settings);
    await row('special-tokens/disagree').waitFor({ state: 'detached', timeout: wait });
    expect(await row('special-tokens/out-of-range').count()).toBe(1);
  });
});
