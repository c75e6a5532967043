import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { printPlan } from '../../src/ampq/planFile';
import { exportGguf } from '../../src/exporter/exportGguf';
import { openModel } from '../../src/layouts/openModel';
import { projectRoot, safetensorsBytes, sampleFolder, temporaryFolder, writeFile } from '../support/files';
import { planFor } from '../support/plans';
import { hasServer, keepFailures } from '../support/sampleEditor';
import { screenshot } from '../support/screenshots';
import { startVsCode, type VsCode } from '../support/vscodeServer';
import { chooseFromMenu, setTheme, waitForExtension } from '../support/workbench';

const wait = 120_000;

/** The sample with a plan beside it, an export in a folder of its own, and another export beside that. */
async function fill(workspace: string): Promise<void> {
  const folder = join(workspace, 'tiny-shakespeare-llama');
  cpSync(sampleFolder, folder, { recursive: true });
  const plan = await planFor(folder, { 'output.weight': 'Q8_0', 'token_embd.weight': 'Q4_K' });
  writeFile(folder, 'tiny.ampq.json', printPlan(plan));
  const model = await openModel(folder);
  mkdirSync(join(workspace, 'exports'));
  for (const type of ['Q4_K_M', 'Q6_K'])
    await exportGguf(model, { type }, join(workspace, 'exports', `tiny-${type}.gguf`));
  await model.close();
}

describe.skipIf(!hasServer)('the views of the activity bar', () => {
  let code: VsCode;
  let page: Page;
  const workspace = temporaryFolder();

  beforeAll(async () => {
    await fill(workspace);
    code = await startVsCode({ folder: workspace, extensionPath: projectRoot });
    page = code.page;
    await waitForExtension(page);
  });

  keepFailures('views', () => page);

  afterAll(async () => {
    await code.close();
  });

  const row = (label: string): Locator =>
    page.locator('.pane-body .monaco-list-row', { hasText: label }).first();

  it('list the models of the workspace, and below each what was made from it', async () => {
    await page.locator('.activitybar').getByRole('tab', { name: 'Quantscope' }).click();
    await row('tiny-Q6_K').waitFor({ timeout: wait });
    await row('tiny-shakespeare-llama').locator('.monaco-tl-twistie').click();
    for (const label of ['Plans', 'tiny.ampq.json', 'Made From It', 'tiny-Q4_K_M.gguf'])
      await row(label).waitFor({ timeout: wait });
    expect(await row('tiny.ampq.json').innerText()).toMatch(/MB · \d\.\d\d bits per weight/);
    await screenshot(page, 'views-dark');
    await setTheme(page, 'light');
    await screenshot(page, 'views-light');
    await setTheme(page, 'dark');
  });

  it('show a job at its model and in a list of its own, where it is cancelled', async () => {
    const model = row('tiny-shakespeare-llama');
    await model.click({ button: 'right' });
    await chooseFromMenu(page, 'Run Sensitivity');
    const job = page.locator('.pane', { hasText: 'Jobs' }).locator('.monaco-list-row', {
      hasText: 'Sensitivity',
    });
    await job.waitFor({ timeout: wait });
    await expect.poll(() => model.innerText(), { timeout: wait }).toMatch(/\d+ % Sensitivity over/);
    await screenshot(page, 'views-jobs');
    await job.hover();
    await job.getByRole('button', { name: 'Cancel Job' }).click();
    await job.waitFor({ state: 'detached', timeout: wait });
    await expect.poll(() => model.innerText(), { timeout: wait }).not.toContain('Sensitivity');
    // What was measured until then is kept, and shown.
    await row('Analyses').waitFor({ timeout: wait });
  });

  it('hold many models, which appear and go with their files', async () => {
    const tensor = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
    const folders = Array.from({ length: 50 }, (_, i) => join(workspace, `collection/model-${100 + i}`));
    for (const folder of folders) {
      mkdirSync(folder, { recursive: true });
      writeFile(folder, 'model.safetensors', safetensorsBytes({ a: tensor }, 8));
    }
    await row('model-100').waitFor({ timeout: wait });
    await screenshot(page, 'views-many');
    rmSync(join(workspace, 'collection'), { recursive: true });
    await row('model-100').waitFor({ state: 'detached', timeout: wait });
  });
});

describe.skipIf(!hasServer)('the views of a workspace without a model', () => {
  it('say what to do', async () => {
    const code = await startVsCode({ folder: temporaryFolder(), extensionPath: projectRoot });
    const { page } = code;
    try {
      await waitForExtension(page);
      await page.locator('.activitybar').getByRole('tab', { name: 'Quantscope' }).click();
      await page.getByText('There is no model in this workspace').waitFor({ timeout: wait });
      await screenshot(page, 'views-empty');
      await page.getByRole('button', { name: 'Get started' }).click();
      const step = page.getByRole('button', { name: 'Open a model' }).first();
      await step.waitFor({ timeout: wait });
      await page.locator('.getting-started-media img').first().waitFor({ timeout: wait });
      await screenshot(page, 'walkthrough-dark');
      await setTheme(page, 'light');
      await screenshot(page, 'walkthrough-light');
      await page.getByRole('button', { name: 'Open Remote Model…' }).first().click();
      await page.getByPlaceholder('hf://OWNER/MODEL').waitFor({ timeout: wait });
    } finally {
      await code.close();
    }
  });
});
