import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { FrameLocator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { projectRoot, temporaryFolder } from '../support/files';
import { writeMixture } from '../support/mixtureModel';
import { hasServer, keepFailures, openModelFile } from '../support/sampleEditor';
import { screenshot } from '../support/screenshots';
import { startVsCode, type VsCode } from '../support/vscodeServer';
import { overflowOf, waitForExtension } from '../support/workbench';

const wait = 120_000;

describe.skipIf(!hasServer)('a model of many tensors', () => {
  let code: VsCode;
  let page: Page;
  let frame: FrameLocator;
  const workspace = temporaryFolder();

  beforeAll(async () => {
    for (const name of ['deep', 'large']) mkdirSync(join(workspace, name));
    writeMixture(join(workspace, 'large'));
    writeMixture(join(workspace, 'deep'), { layers: 60, experts: 1, hidden: 64, expertHidden: 32 });
    code = await startVsCode({ folder: workspace, extensionPath: projectRoot });
    page = code.page;
    await waitForExtension(page);
  });

  keepFailures('many-tensors', () => page);

  afterAll(async () => {
    await code.close();
  });

  const view = () => frame.locator('.view');
  const runSensitivity = async (): Promise<void> => {
    await frame.getByRole('tab', { name: 'Plan', exact: true }).click();
    await view().getByRole('button', { name: 'Run Sensitivity' }).click();
  };

  it('says why it has no plan yet, and how far the run is', async () => {
    frame = await openModelFile(page, 'large/mixture.safetensors', wait);
    await runSensitivity();
    await view().getByText('The first plan is made when the run has ended.').waitFor({ timeout: wait });
    await expect.poll(() => frame.locator('.job .done').innerText(), { timeout: wait }).toMatch(/^\d+ %/);
    expect(await overflowOf(frame.locator('.job .done'))).toBe(0);
    await frame
      .locator('.job')
      .getByRole('button', { name: /^Cancel/ })
      .click();
    await view().getByText('The measurements are not complete').waitFor({ timeout: wait });
  });

  it('has all layers in the map of bits at once, beside the tree and in a narrow window', async () => {
    frame = await openModelFile(page, 'deep/mixture.safetensors', wait);
    await runSensitivity();
    const map = frame.locator('.layer-map-frame');
    await map.waitFor({ timeout: wait });
    await screenshot(page, 'many-layers-dark');
    expect(await overflowOf(map)).toBeLessThanOrEqual(1);
    await page.setViewportSize({ width: 860, height: 900 });
    await frame.locator('.drop-down-bar').waitFor({ timeout: wait });
    expect(await overflowOf(map)).toBeLessThanOrEqual(1);
    expect(await overflowOf(frame.locator('.why-scroll'))).toBeLessThanOrEqual(1);
    await screenshot(page, 'many-layers-narrow');
  });
});
