import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { FrameLocator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportGguf } from '../../src/exporter/exportGguf';
import { openModel } from '../../src/layouts/openModel';
import { projectRoot } from '../support/files';
import { hasServer, keepFailures, openSample, sampleWorkspace } from '../support/sampleEditor';
import { screenshot } from '../support/screenshots';
import type { VsCode } from '../support/vscodeServer';
import { acceptFile, makeNarrow, overflowOf, setTheme } from '../support/workbench';

const wait = 120_000;

describe.skipIf(!hasServer)('Compare With…', () => {
  let code: VsCode;
  let page: Page;
  let frame: FrameLocator;
  const workspace = sampleWorkspace();

  beforeAll(async () => {
    ({ code, page, frame } = await openSample(workspace, 60_000, async () => {
      const model = await openModel(workspace);
      await exportGguf(model, { type: 'Q4_K_M' }, join(workspace, 'small.gguf'));
      await exportGguf(model, { type: 'Q8_0' }, join(workspace, 'better.gguf'));
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

  it('saves a chart as a picture and its data, and the whole table', async () => {
    const save = async (what: string, item: string, name: string): Promise<Buffer> => {
      await frame.getByRole('button', { name: `Save or copy: ${what}` }).click();
      await frame.getByRole('menuitem', { name: item }).click();
      await acceptFile(page);
      await expect.poll(() => existsSync(join(workspace, name)), { timeout: wait }).toBe(true);
      return readFileSync(join(workspace, name));
    };
    const model = basename(workspace);
    const chart = 'Root mean square of the difference';
    const tensor = await frame.locator('.overlay h3').first().innerText();
    const picture = await save(chart, 'Save as PNG…', `${model} ${tensor} ${chart}.png`);
    expect(picture.subarray(1, 4).toString()).toBe('PNG');
    const { width } = (await frame.locator('.error-map').boundingBox())!;
    expect(picture.readUInt32BE(16)).toBeGreaterThanOrEqual(2 * width); // at twice the resolution, with a margin
    writeFileSync(join(projectRoot, 'test-results', 'screenshots', 'saved-chart.png'), picture);
    const data = await save(chart, 'Save Data as CSV…', `${model} ${tensor} ${chart}.csv`);
    expect(data.toString()).toMatch(/^row,column,RMS of A − B\r\n0,0,\d/);
    const rows = await save('Compared tensors', 'Save Table as CSV…', `${model} Compared tensors.csv`);
    const lines = rows.toString().trimEnd().split('\r\n');
    expect(lines[0]).toBe('Tensor,A,B,relative error,SQNR (dB),Cosine,Max error');
    expect(lines).toHaveLength(58);
  });

  it('says in how many directions a tensor differs', async () => {
    await frame.getByRole('button', { name: 'Singular Values of the Difference' }).click();
    const spectrum = frame.locator('.spectrum');
    await spectrum.locator('.spectrum-plot.js-plotly-plot').waitFor({ timeout: wait });
    // Rounding to a type of blocks is noise.
    expect(await spectrum.innerText()).toMatch(/No direction stands out/);
    await spectrum.scrollIntoViewIfNeeded();
    await screenshot(page, 'compare-spectrum-light');
  });

  it('shows how far tensors moved by layer and role', async () => {
    await frame.getByRole('radio', { name: 'Layers' }).click();
    const map = frame.locator('.change-map.js-plotly-plot');
    await map.waitFor({ timeout: wait });
    const { x, y } = await map.evaluate(
      (element) => (element as unknown as { data: { x: string[]; y: string[] }[] }).data[0]!,
    );
    expect(x).toEqual(['0', '1', '2', '3', '4', '5']);
    expect(y).toEqual([
      ...['attn_norm', 'attn_q', 'attn_k', 'attn_v', 'attn_output'],
      ...['ffn_norm', 'ffn_gate', 'ffn_up', 'ffn_down'],
    ]);
    await frame.locator('.view').evaluate((element) => element.scrollTo(0, 0));
    await screenshot(page, 'compare-map-light');
    await setTheme(page, 'dark');
    await screenshot(page, 'compare-map-dark');
  });

  it('takes a third model, and says which of both is closer to this one', async () => {
    await frame.getByRole('button', { name: 'More comparisons' }).click();
    await frame.getByRole('menuitem', { name: 'Compare a Third…' }).click();
    await page
      .locator('.quick-input-list .monaco-list-row', { hasText: 'better.gguf' })
      .click({ timeout: wait });
    await frame.getByRole('radio', { name: 'Three models' }).click({ timeout: wait });
    expect(await frame.locator('.compare .totals').innerText()).toMatch(
      /A is closer in\s+0\s+B is closer in\s+44\s+the same in\s+13/,
    );
    expect(await frame.locator('.compare .grid-row[data-tensor]').first().innerText()).toMatch(
      /B\s+0\.07\d+\s+0\.005\d+\s+Q4_K\s+Q8_0\s+BF16/,
    );
    await screenshot(page, 'compare-three-dark');
    await frame.getByRole('radio', { name: 'Tensors', exact: true }).click();
  });

  it('is filtered by name', async () => {
    await frame.locator('.compare .filter vscode-text-field input').fill('attn_norm equal');
    await expect.poll(() => frame.locator('.compare .grid-row[data-tensor]').count()).toBe(6);
    expect(await frame.locator('.compare .grid-row[data-tensor]').first().innerText()).toMatch(
      /BF16[\s\S]*F32[\s\S]*equal[\s\S]*∞/,
    );
  });

  it('fits into a narrow panel', async () => {
    await frame.locator('.compare .filter vscode-text-field input').fill('');
    await makeNarrow(page, frame);
    await frame.getByRole('radio', { name: 'Layers' }).click();
    await frame.locator('.change-map.js-plotly-plot').waitFor({ timeout: wait });
    expect(await overflowOf(frame.locator('.view'))).toBeLessThanOrEqual(0);
    await screenshot(page, 'compare-narrow-dark');
  });
});
