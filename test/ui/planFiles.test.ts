import { cpSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { printPlan } from '../../src/ampq/planFile';
import { projectRoot, sampleFolder, temporaryFolder, writeFile } from '../support/files';
import { planFor } from '../support/plans';
import { hasServer, keepFailures } from '../support/sampleEditor';
import { screenshot } from '../support/screenshots';
import { startVsCode, type VsCode } from '../support/vscodeServer';
import { openFile, runCommand, setTheme, waitForExtension } from '../support/workbench';

const wait = 120_000;

/** The sample with two plans, of which the second has a misspelled tensor and a format that does not exist. */
async function fill(workspace: string): Promise<void> {
  cpSync(sampleFolder, workspace, { recursive: true });
  const formats = { 'token_embd.weight': 'Q4_K', 'blk.0.attn_q.weight': 'Q4_K', 'output.weight': 'Q6_K' };
  const plan = await planFor(workspace, formats);
  writeFile(workspace, 'first.ampq.json', printPlan(plan));
  const other = await planFor(workspace, { ...formats, 'output.weight': 'Q8_0' });
  writeFile(workspace, 'second.ampq.json', printPlan(other));
  const faulty = printPlan(plan).replace('"blk.0.attn_q.weight",', '"blk.0.attn_qq.weight",');
  writeFile(workspace, 'faulty.ampq.json', faulty.replace('"format":"Q6_K"', '"format":"Q6_KK"'));
}

describe.skipIf(!hasServer)('plans in the text editor', () => {
  let code: VsCode;
  let page: Page;
  const workspace = temporaryFolder();

  beforeAll(async () => {
    await fill(workspace);
    code = await startVsCode({ folder: workspace, extensionPath: projectRoot });
    page = code.page;
    await waitForExtension(page);
  });

  keepFailures('plan-files', () => page);

  afterAll(async () => {
    await code.close();
  });

  /** Pictures in both themes. */
  async function pictures(name: string): Promise<void> {
    await screenshot(page, `${name}-dark`);
    await setTheme(page, 'light');
    await screenshot(page, `${name}-light`);
    await setTheme(page, 'dark');
  }

  it('list their faults, show bits and bytes, and offer fixes', async () => {
    await openFile(page, 'faulty.ampq.json');
    // Before the panel of problems has the focus.
    await page.locator('.codelens-decoration', { hasText: 'Open in Plan Page' }).first().waitFor();
    const problem = page.locator('.markers-panel .monaco-list-row', { hasText: 'Q6_KK' });
    await runCommand(page, 'View: Focus Problems');
    await problem.first().waitFor({ timeout: wait });
    await page.locator('.view-lines', { hasText: '4.50 b' }).first().waitFor({ timeout: wait });
    await pictures('plan-file');
    await problem.first().dblclick();
    await runCommand(page, 'Quick Fix...');
    await page.locator('.action-widget', { hasText: 'Change to Q6_K' }).waitFor({ timeout: wait });
    await screenshot(page, 'plan-file-fixes-dark');
    await page.keyboard.press('Enter');
    await problem.first().waitFor({ state: 'detached', timeout: wait });
  });

  it('are compared as tables', async () => {
    await openFile(page, 'first.ampq.json');
    await page.locator('.codelens-decoration a', { hasText: 'Compare Plans…' }).first().click();
    await page.locator('.quick-input-list .monaco-list-row', { hasText: 'second' }).first().click();
    const modified = page.locator('.modified-in-monaco-diff-editor .view-lines').first();
    await modified.waitFor({ timeout: wait });
    await expect.poll(() => modified.innerText(), { timeout: wait }).toMatch(/output\.weight\s+Q8_0/);
    await pictures('plan-compare');
  });
});
