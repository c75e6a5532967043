import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { projectRoot, sampleFolder, temporaryFolder } from '../support/files';
import { filesUnder, serveHub, serveRanges, type RangeServer } from '../support/rangeServer';
import { hasServer, keepFailures } from '../support/sampleEditor';
import { screenshot } from '../support/screenshots';
import { startVsCode, type VsCode } from '../support/vscodeServer';
import { frontFrame, runCommand, waitForExtension } from '../support/workbench';

const wait = 120_000;

describe.skipIf(!hasServer)('Models on servers in the editor', () => {
  let code: VsCode;
  let page: Page;
  let hub: RangeServer;
  let store: RangeServer;

  beforeAll(async () => {
    ({ hub, store } = await serveHub('owner/tiny-llama', sampleFolder, 'hf_token'));
    const env = { HF_ENDPOINT: hub.address };
    code = await startVsCode({ folder: temporaryFolder(), extensionPath: projectRoot, env });
    ({ page } = code);
    await waitForExtension(page);
  });

  keepFailures('remote', () => page);

  afterAll(async () => {
    await code.close();
  });

  const answer = async (prompt: RegExp, text?: string): Promise<void> => {
    const widget = page.locator('.quick-input-widget');
    await widget.getByText(prompt).waitFor({ timeout: wait });
    if (text !== undefined) await widget.locator('.quick-input-box input').fill(text);
    await page.keyboard.press('Enter');
  };

  it('say what is missing, and open once there is a token', async () => {
    await runCommand(page, 'Quantscope: Open Remote Model…');
    await answer(/Only headers/, 'hf://owner/tiny-llama');
    const frame = frontFrame(page);
    await frame
      .getByText(/HTTP status 401.*HF_TOKEN.*Set Token for Remote Models/)
      .waitFor({ timeout: wait });
    await runCommand(page, 'Quantscope: Set Token for Remote Models…');
    await answer(/The server that the token is sent to/);
    await answer(/Access token for/, 'hf_token');
    await frame.locator('.tree .row.tensor').first().waitFor({ timeout: wait });
    await page.locator('.tab.active', { hasText: 'tiny-llama' }).waitFor({ timeout: wait });
  });

  it('fetch the tensor that is shown, and no other', async () => {
    const frame = frontFrame(page);
    const before = store.sent;
    await frame.locator('.tree .row.tensor', { hasText: 'down_proj' }).first().click();
    await frame.locator('.histogram.js-plotly-plot').waitFor({ timeout: wait });
    await screenshot(page, 'remote-dark');
    expect(store.sent - before).toBeLessThan(2 * 1024 * 1024);
    expect(store.asked.every(({ range }) => range !== undefined)).toBe(true);
  });

  it('keep signatures from view', async () => {
    const server = await serveRanges(filesUnder('/signed', sampleFolder));
    server.behave = ({ url }) => (url.includes('?Signature=s3cret') ? undefined : { status: 403 });
    await runCommand(page, 'Quantscope: Open Remote Model…');
    await answer(/Only headers/, `${server.address}/signed/model.safetensors?Signature=s3cret`);
    await page.locator('.tab.active', { hasText: 'signed' }).waitFor({ timeout: wait });
    await frontFrame(page).locator('.tree .row.tensor').first().waitFor({ timeout: wait });
    expect(await page.locator('body').innerHTML()).not.toContain('s3cret');
  });

  it('come back with the window', async () => {
    const server = await serveRanges(filesUnder('/plain-llama', sampleFolder));
    await runCommand(page, 'Quantscope: Open Remote Model…');
    await answer(/Only headers/, `${server.address}/plain-llama/`);
    const tab = page.locator('.tab.active', { hasText: 'plain-llama' });
    await tab.waitFor({ timeout: wait });
    await frontFrame(page).locator('.tree .row.tensor').first().waitFor({ timeout: wait });
    // The command saves which editors are open, as reloading the page in the browser may not.
    const left = page.waitForEvent('load', { timeout: wait });
    await runCommand(page, 'Developer: Reload Window');
    await left;
    await tab.waitFor({ timeout: wait });
    await frontFrame(page).locator('.tree .row.tensor').first().waitFor({ timeout: wait });
  });
});
