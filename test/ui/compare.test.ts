import { join } from 'node:path';
import type { FrameLocator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportGguf } from '../../src/exporter/exportGguf';
import { openModel } from '../../src/layouts/openModel';
import { temporaryFolder } from '../support/files';
import { hasServer, keepFailures, openSample } from '../support/sampleEditor';
import { screenshot } from '../support/screenshots';
import type { VsCode } from '../support/vscodeServer';
import { setTheme } from '../support/workbench';

const wait = 30_000;

describe.skipIf(!hasServer)('Compare With…', () => {
  let code: VsCode;
  let page: Page;
  let frame: FrameLocator;
  const workspace = temporaryFolder();

  beforeAll(async () => {
    ({ code, page, frame } = await openSample(workspace, 60_000, async () => {
      const model = await openModel(workspace);
      await exportGguf(model, { type: 'Q4_K_M' }, join(workspace, 'small.gguf'));
      await model.close();
    }));
  });

  keepFailures('compare', () => page);

  afterAll(async () => {
    await code.close();
  });

  it('lists every tensor of both, the worst first', async () => {
    await frame.getByRole('tab', { name: 'Compare' }).click();
    await frame.getByRole('button', { name: 'Compare With…' }).click();
    await page
      .locator('.quick-input-list .monaco-list-row', { hasText: 'small.gguf' })
      .click({ timeout: wait });
    const rows = frame.locator('.compare .grid-row[data-tensor]');
    await rows.first().waitFor({ timeout: wait });
    expect(await frame.locator('.compare .totals').innerText()).toMatch(/44 different, 13 equal/);
    const errors = await rows.evaluateAll((all) => all.map((row) => Number(row.children[3]?.textContent)));
    expect(errors.length).toBeGreaterThan(5);
    expect(errors).toEqual([...errors].sort((a, b) => b - a));
    expect(await rows.first().innerText()).toMatch(/BF16[\s\S]*Q4_K/);
  });

  it('shows one tensor in detail: both histograms, and where it differs', async () => {
    await frame.locator('.compare .grid-row[data-tensor]').first().click();
    await frame.locator('.error-map.js-plotly-plot').waitFor({ timeout: wait });
    const traces = await frame
      .locator('.overlay .histogram.js-plotly-plot')
      .evaluate((element) =>
        (element as unknown as { data: { name: string }[] }).data.map(({ name }) => name),
      );
    expect(traces).toEqual(['A', 'B']);
    await screenshot(page, 'compare-dark');
    await setTheme(page, 'light');
    await screenshot(page, 'compare-light');
  });

  it('is filtered by name', async () => {
    await frame.locator('.compare .filter vscode-text-field input').fill('attn_norm equal');
    await expect.poll(() => frame.locator('.compare .grid-row[data-tensor]').count()).toBe(6);
    expect(await frame.locator('.compare .grid-row[data-tensor]').first().innerText()).toMatch(
      /BF16[\s\S]*F32[\s\S]*equal[\s\S]*∞/,
    );
  });
});
