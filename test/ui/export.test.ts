import { cpSync, existsSync, mkdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { FrameLocator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { projectRoot, sampleFolder, temporaryFolder } from '../support/files';
import { cacheDir } from '../support/cache';
import { startVsCode, type VsCode } from '../support/vscodeServer';
import { openFile, setTheme, waitForExtension, webviewFrame } from '../support/workbench';

const hasServer = existsSync(join(cacheDir('vscode-server-4.139.1'), 'node_modules'));
if (!hasServer) console.warn('UI tests are skipped: run node scripts/setup-tests.mjs first.');

const wait = 30_000;
const screenshots = join(projectRoot, 'test-results', 'screenshots');

describe.skipIf(!hasServer)('the export panel', () => {
  let code: VsCode;
  let page: Page;
  let frame: FrameLocator;
  const workspace = temporaryFolder();

  beforeAll(async () => {
    cpSync(sampleFolder, workspace, { recursive: true });
    mkdirSync(screenshots, { recursive: true });
    code = await startVsCode({ folder: workspace, extensionPath: projectRoot });
    page = code.page;
    await waitForExtension(page);
    await openFile(page, 'model.safetensors');
    frame = webviewFrame(page);
    await frame.locator('.tree .row.tensor').first().waitFor({ timeout: wait });
    await frame.getByRole('tab', { name: 'Export' }).click();
    await frame.locator('.export-table .export-row[data-tensor]').first().waitFor({ timeout: wait });
  });

  afterEach(async ({ task }) => {
    if (task.result?.state !== 'fail') return;
    await page.screenshot({
      path: join(screenshots, `failed-export-${task.name.slice(0, 40).replace(/\W+/g, '-')}.png`),
    });
  });

  afterAll(async () => {
    await code.close();
  });

  const fileBytes = async (): Promise<number> =>
    Number(await frame.locator('.export .totals').getAttribute('data-bytes'));
  const row = (tensor: string) => frame.locator(`.export-row[data-tensor="${tensor}"]`);

  it('previews Q4_K_M: the exact size, each tensor’s type and why', async () => {
    await expect.poll(() => row('output.weight').innerText()).toMatch(/BF16[\s\S]*Q6_K[\s\S]*output tensor/);
    expect(await frame.locator('.export .totals').innerText()).toMatch(/the same size/);
    // 3,148,288 bytes of data; header and tokenizer come to 30 kB.
    expect(await fileBytes()).toBeGreaterThan(3_148_288);
    expect(await fileBytes()).toBeLessThan(3_200_000);
    await page.screenshot({ path: join(screenshots, 'export-dark.png') });
  });

  it('gives one tensor another type with two clicks, and shows what differs', async () => {
    const before = await fileBytes();
    const tensor = 'blk.0.attn_k.weight';
    await row(tensor).getByRole('button').click();
    await row(tensor).getByRole('combobox').selectOption('Q8_0');
    await expect.poll(() => row(tensor).innerText()).toMatch(/Q4_K →\s*Q8_0[\s\S]*rule/);
    // 128 × 256 weights at 8.5 instead of 4.5 bits.
    expect(await fileBytes()).toBe(before + (128 * 256 * 4) / 8);
    await frame.getByLabel(/Only differences/).check();
    await expect.poll(() => frame.locator('.export-row[data-tensor]').count()).toBe(1);
    expect(await frame.locator('.export-row.differs').count()).toBe(1);
    await frame.getByLabel(/Only differences/).uncheck();
  });

  it('says in place what is wrong, and keeps the settings', async () => {
    const pattern = frame.locator('.rules-editor vscode-text-field input');
    await pattern.fill('ffn_(down');
    await frame.getByRole('button', { name: 'Add' }).click();
    await expect
      .poll(() => frame.locator('.export .notice.error').innerText())
      .toMatch(/no regular expression/);
    expect(await frame.locator('.export .totals.stale').count()).toBe(1);
    await frame.getByRole('button', { name: 'Remove the rule ffn_(down' }).click();
    await expect.poll(() => frame.locator('.export .notice.error').count()).toBe(0);
    // What needs an importance matrix cannot be chosen without one.
    const low = frame.getByLabel('File type').locator('option[value="IQ2_XXS"]');
    expect(await low.isDisabled()).toBe(true);
  });

  it('keeps what was set while another tab is shown, and splits', async () => {
    await frame.getByRole('button', { name: 'More options' }).click();
    await frame.getByLabel('Split into files').selectOption('bytes');
    await frame.locator('.more-options .file vscode-text-field input').fill('1');
    await expect.poll(() => frame.locator('.export .totals').innerText()).toMatch(/4 files/);
    await frame.getByRole('tab', { name: 'Metadata' }).click();
    await frame.getByRole('tab', { name: 'Export' }).click();
    await expect.poll(() => frame.locator('.export .totals').innerText()).toMatch(/4 files/);
    await setTheme(page, 'light');
    await page.screenshot({ path: join(screenshots, 'export-light.png') });
    await frame.getByLabel('Split into files').selectOption('none');
    await expect.poll(() => frame.locator('.export .totals').innerText()).not.toMatch(/files/);
  });

  it('writes exactly what it has shown', async () => {
    const bytes = await fileBytes();
    await frame.getByRole('button', { name: 'Export…' }).click();
    const input = page.locator('.quick-input-widget .quick-input-box input');
    await input.waitFor({ timeout: wait });
    // The name that the dialog suggests.
    const target = join(workspace, `${basename(workspace)}-Q4_K_M.gguf`);
    await page.locator('.quick-input-widget').getByRole('button', { name: 'OK' }).click();
    await expect.poll(() => existsSync(target), { timeout: wait }).toBe(true);
    expect(statSync(target).size).toBe(bytes);
  });
});
