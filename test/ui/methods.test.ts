/// <reference lib="dom" />
import { join } from 'node:path';
import type { FrameLocator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openModel } from '../../src/layouts/openModel';
import { temporaryFolder } from '../support/files';
import { hasServer, keepFailures, openSample } from '../support/sampleEditor';
import { screenshot } from '../support/screenshots';
import type { VsCode } from '../support/vscodeServer';
import { acceptFile, makeNarrow, overflowOf, runCommand, setTheme } from '../support/workbench';

const wait = 60_000;
const tensor = 'model.layers.0.mlp.down_proj.weight';

describe.skipIf(!hasServer)('Quantize Layer: grids and methods', () => {
  let code: VsCode;
  let page: Page;
  let frame: FrameLocator;
  const workspace = temporaryFolder();

  beforeAll(async () => {
    ({ code, page, frame } = await openSample(workspace, wait));
  });

  keepFailures('methods', () => page);

  afterAll(async () => {
    await code.close();
  });

  const cell = (grid: string, method: string) =>
    frame.locator(`.methods tr[data-grid="${grid}"] td[data-method="${method}"]`);
  /** The percentages of a cell: of the weights, and of the outputs where they are known. */
  const errorsOf = async (grid: string, method: string): Promise<number[]> =>
    [...(await cell(grid, method).innerText()).matchAll(/([\d.]+) %/g)].map(([, text]) => Number(text));

  it('opens for a tensor from its menu with every grid by rounding, and says what is missing', async () => {
    const row = frame.locator(`.rows .row[data-name="${tensor}"]`);
    await row.click();
    await frame.locator('.view vscode-button', { hasText: 'Quantize Layer…' }).click();
    await cell('int2-g32', 'rtn').locator('.method-cell').waitFor({ timeout: wait });
    const [int8, int4, int2] = [
      ...(await errorsOf('int8-row', 'rtn')),
      ...(await errorsOf('int4-g32', 'rtn')),
      ...(await errorsOf('int2-g32', 'rtn')),
    ] as [number, number, number];
    expect(int8).toBeLessThan(int4);
    expect(int4).toBeLessThan(int2);
    expect(await frame.locator('.calibration').innerText()).toMatch(/^Evidence: the weights alone/);
    expect(await cell('int4-g128', 'gptq').innerText()).toBe('needs Hessian');
  });

  it('adds a grid that is put together from fields, with its name', async () => {
    await frame.getByRole('button', { name: 'Another grid' }).click();
    await frame.getByRole('combobox', { name: 'Levels' }).selectOption('float');
    await frame.getByRole('combobox', { name: 'Exponent bits' }).selectOption('3');
    await frame.getByRole('combobox', { name: 'Mantissa bits' }).selectOption('2');
    await expect.poll(() => frame.locator('.grid-name').innerText()).toBe('e3m2-g64');
    await frame.locator('.grid-editor vscode-button', { hasText: 'Add Grid' }).click();
    await cell('e3m2-g64', 'rtn').locator('.method-cell').waitFor({ timeout: wait });
    expect(await frame.locator('.methods tr[data-grid="e3m2-g64"] td').first().innerText()).toMatch(/^6\.25/);
    await frame.getByRole('combobox', { name: 'Add a grid' }).selectOption('Q4_K');
    await cell('Q4_K', 'rtn').locator('.method-cell').waitFor({ timeout: wait });
    await frame.getByRole('button', { name: 'Remove e3m2-g64' }).click();
    await expect.poll(() => frame.locator('.methods tr[data-grid="e3m2-g64"]').count()).toBe(0);
    await frame.getByRole('button', { name: 'Another grid' }).click();
  });

  it('offers a calibration with its time, after which all methods and the errors of outputs are there', async () => {
    const offer = frame.locator('.calibration vscode-button', { hasText: /^Calibrate on / });
    await expect
      .poll(() => offer.innerText(), { timeout: wait })
      .toMatch(/^Calibrate on generated-calibration\.txt \(≈ \d+ (s|min), [\d.]+ MB\)$/);
    await screenshot(page, 'methods-offer-dark');
    await offer.click();
    await expect
      .poll(() => frame.locator('.calibration').innerText(), { timeout: 3 * wait })
      .toMatch(/tokens of generated-calibration\.txt \(importance, Hessian, activations\)/);
    await cell('Q4_K', 'rtn').locator('.method-cell').waitFor({ timeout: wait });
    const [, rounding] = await errorsOf('int3-g64', 'rtn');
    const [, gptq] = await errorsOf('int3-g64', 'gptq');
    expect(gptq!).toBeLessThan(rounding!);
  });

  it('says in each cell what the method knew, not what it could have known', async () => {
    const rung = (grid: string, method: string) => cell(grid, method).locator('.evidence').innerText();
    expect(await rung('int3-g64', 'rtn')).toBe('weights alone');
    expect(await rung('int3-g64', 'ecb')).toBe('importance');
    expect(await rung('int3-g64', 'gptq')).toBe('Hessian');
    await cell('int3-g64', 'ecb').locator('.method-cell').click();
    await expect
      .poll(() => frame.locator('.method-detail .bias').innerText())
      .toMatch(/^Bias correction of 256 outputs.*: the layer has no bias, so it cannot be stored\.$/);
  });

  it('measures a method again with other options, and only that method', async () => {
    await frame.getByRole('button', { name: 'Options of GPTQ', exact: true }).click();
    const options = frame.getByRole('region', { name: 'Options of GPTQ', exact: true });
    const damping = options.locator('vscode-text-field[aria-label="damping"] input');
    const before = await cell('int3-g64', 'gptq').innerText();
    const rounding = await cell('int3-g64', 'rtn').innerText();
    await damping.fill('2');
    await expect.poll(() => options.innerText()).toMatch(/damping: “2” is not a number from 0 to 1\./);
    expect(await cell('int3-g64', 'gptq').innerText()).toBe(before);
    await damping.fill('0.9');
    await expect.poll(() => cell('int3-g64', 'gptq').innerText(), { timeout: wait }).toMatch(/%[\s\S]*→/);
    await expect.poll(() => cell('int3-g64', 'gptq').innerText(), { timeout: wait }).not.toBe(before);
    expect(await cell('int3-g64', 'rtn').innerText()).toBe(rounding);
    await cell('Q4_K', 'gptq').locator('.method-cell').click({ timeout: wait });
    await expect
      .poll(() => frame.locator('.method-detail').innerText(), { timeout: wait })
      .toMatch(/With damping 0\.9\./);
    await screenshot(page, 'methods-options-dark');
  });

  it('saves a layer in a type of GGUF by a method that corrects errors', async () => {
    const detail = frame.locator('.method-detail');
    await detail.locator('vscode-button', { hasText: 'Save Layer…' }).click();
    const name = `${tensor}.gptq-Q4_K.safetensors`;
    await acceptFile(page);
    await detail.locator('.written').waitFor({ timeout: wait });
    const saved = await openModel(join(workspace, name));
    expect(saved.tensor(tensor)).toMatchObject({ dtype: 'Q4_K', shape: [256, 768] });
    await saved.close();
    await frame.getByRole('button', { name: 'Options of GPTQ', exact: true }).click();
  });

  it('shows a method in detail, before and after', async () => {
    await cell('int3-g64', 'gptq').locator('.method-cell').click();
    const detail = frame.locator('.method-detail');
    await detail.locator('.histogram.js-plotly-plot').waitFor({ timeout: wait });
    expect(await detail.locator('.totals').innerText()).toMatch(/evidence\s+Hessian/);
    await frame.locator('.view').evaluate((element) => element.scrollTo(0, 0));
    await runCommand(page, 'View: Toggle Primary Side Bar Visibility');
    // All methods are in sight.
    await expect
      .poll(() => frame.locator('.wide-table').evaluate((table) => table.scrollWidth - table.clientWidth))
      .toBeLessThanOrEqual(0);
    await screenshot(page, 'methods-dark');
    await setTheme(page, 'light');
    await screenshot(page, 'methods-light');
  });

  it('fits a narrow panel', async () => {
    await makeNarrow(page, frame);
    expect(await overflowOf(frame.locator('.view'))).toBeLessThanOrEqual(0);
    // What was measured is not measured again: all rows are there at once.
    await frame.locator('.methods .method-cell').first().waitFor({ timeout: wait });
    expect(await frame.locator('.methods .method-cell').count()).toBeGreaterThan(10);
    await screenshot(page, 'methods-narrow');
  });
});
