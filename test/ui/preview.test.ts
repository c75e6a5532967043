/// <reference lib="dom" />
import type { FrameLocator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasServer, keepFailures, openSample, sampleWorkspace } from '../support/sampleEditor';
import { screenshot } from '../support/screenshots';
import type { VsCode } from '../support/vscodeServer';
import { makeNarrow, overflowOf, runCommand, setTheme } from '../support/workbench';

const wait = 120_000;

describe.skipIf(!hasServer)('the preview of errors by block', () => {
  let code: VsCode;
  let page: Page;
  let frame: FrameLocator;

  beforeAll(async () => {
    ({ code, page, frame } = await openSample(sampleWorkspace(), wait));
  });

  keepFailures('preview', () => page);

  afterAll(async () => {
    await code.close();
  });

  it('says what it does before it has run', async () => {
    await frame.getByRole('tab', { name: 'Evaluate' }).click();
    await frame.getByRole('radio', { name: 'Errors by block' }).click();
    await frame.getByText('Nothing is written.').waitFor({ timeout: wait });
  });

  it('shows the error of each block and at the output, as table and chart', async () => {
    await frame.getByRole('combobox', { name: 'Recipe of the preview' }).selectOption('w8a8');
    await frame.locator('.evaluate .start vscode-button', { hasText: 'Preview' }).click();
    await frame.locator('.block-errors.js-plotly-plot').waitFor({ timeout: wait });
    expect(await frame.getByText('Nothing is written.').count()).toBe(0);
    const rows = await frame.locator('.blocks tbody tr').allInnerTexts();
    expect(rows).toHaveLength(6);
    const percents = rows.map((row) => [...row.matchAll(/([\d.]+) %/g)].map(([, text]) => Number(text)));
    for (const [own, accumulated] of percents) expect(accumulated!).toBeGreaterThanOrEqual(own!);
    expect(await frame.locator('.preview .totals').innerText()).toMatch(/SQNR at the output\s+\d+\.\d\d dB/);
    await screenshot(page, 'preview-dark');
    await setTheme(page, 'light');
    await screenshot(page, 'preview-light');
    await runCommand(page, 'View: Toggle Primary Side Bar Visibility');
    await makeNarrow(page, frame);
    expect(await overflowOf(frame.locator('.view'))).toBeLessThanOrEqual(0);
    // What was measured is there in the other layout, too.
    await frame.locator('.block-errors.js-plotly-plot').waitFor({ timeout: wait });
    await screenshot(page, 'preview-narrow');
  });
});
