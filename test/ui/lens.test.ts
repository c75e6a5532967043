/// <reference lib="dom" />
import { join } from 'node:path';
import type { FrameLocator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openModel } from '../../src/layouts/openModel';
import { hasServer, keepFailures, openSample, sampleWorkspace } from '../support/sampleEditor';
import { screenshot } from '../support/screenshots';
import type { VsCode } from '../support/vscodeServer';
import { acceptFile, makeNarrow, overflowOf, runCommand, setTheme } from '../support/workbench';

const wait = 120_000;
const tensor = 'model.layers.0.mlp.down_proj.weight';

describe.skipIf(!hasServer)('Quantize: a tensor by recipes', () => {
  let code: VsCode;
  let page: Page;
  let frame: FrameLocator;
  const workspace = sampleWorkspace();

  beforeAll(async () => {
    ({ code, page, frame } = await openSample(workspace, wait));
  });

  keepFailures('lens', () => page);

  afterAll(async () => {
    await code.close();
  });

  const line = (grid: string, method: string) =>
    frame.locator(`#tab-panel .grid-row[data-grid="${grid}"][data-method="${method}"]`);
  const cell = (grid: string, method: string, column: string) =>
    line(grid, method).locator(`[data-column="${column}"]`);
  const errorOf = async (grid: string, method: string): Promise<number> =>
    Number(await cell(grid, method, 'error').innerText());
  const orderBy = (label: string) =>
    frame.locator('.lens-table .grid-head').getByRole('button', { name: label, exact: true });
  const filter = () => frame.locator('vscode-text-field[aria-label="Filter recipes"] input');
  /** The table draws only the rows in sight: the filter brings one there. */
  const choose = async (grid: string, method: string): Promise<void> => {
    await filter().fill(grid);
    await line(grid, method).click({ timeout: wait });
    await filter().fill('');
  };
  const isDone = () =>
    expect
      .poll(() => frame.locator('.lens-progress').innerText(), { timeout: 3 * wait })
      .toMatch(/^\d+ recipes$/);
  const names = () =>
    frame
      .locator('.lens-table .grid-row[data-grid]')
      .evaluateAll((rows) =>
        rows
          .sort((a, b) => (a as HTMLElement).offsetTop - (b as HTMLElement).offsetTop)
          .map((row) => `${(row as HTMLElement).dataset['grid']} ${(row as HTMLElement).dataset['method']}`),
      );

  it('opens for a tensor from its page with all recipes that need no data, and says what is missing', async () => {
    await frame.locator(`.rows .row[data-name="${tensor}"]`).click();
    await frame.locator('.view vscode-button', { hasText: 'Quantize Layer…' }).click();
    await isDone();
    await filter().fill('int');
    await expect.poll(() => errorOf('int8-row', 'rtn')).toBeGreaterThan(0);
    const [int8, int4, int2] = [
      ...[
        await errorOf('int8-row', 'rtn'),
        await errorOf('int4-g32', 'rtn'),
        await errorOf('int2-g32', 'rtn'),
      ],
    ] as [number, number, number];
    expect(int8).toBeLessThan(int4);
    expect(int4).toBeLessThan(int2);
    expect(await frame.locator('.calibration').innerText()).toMatch(/^Evidence: the weights alone/);
    expect(await frame.locator('.lens-without').innerText()).toMatch(
      /A calibration adds \d+ recipes by Hessian/,
    );
    await filter().fill('');
  });

  it('orders recipes by a figure, marks those that no other one beats, and shows one in detail', async () => {
    await orderBy('Error').click();
    await expect.poll(async () => (await names())[0]).toBe('Q8_0 rtn');
    expect(await line('Q8_0', 'rtn').getAttribute('data-front')).toBe('true');
    expect(await line('nf4-b64', 'rtn').getAttribute('data-front')).toBe(null);
    await line('Q5_K', 'rtn').click();
    const detail = frame.locator('.lens-detail');
    await detail.locator('.histogram.js-plotly-plot').waitFor({ timeout: wait });
    await detail.locator('.error-map.js-plotly-plot').waitFor({ timeout: wait });
    expect(await detail.locator('h3').first().innerText()).toBe('GGUF Q5_K by Round to nearest');
    // There is no plan yet.
    expect(
      await detail.locator('vscode-button', { hasText: 'Use in Plan' }).getAttribute('disabled'),
    ).not.toBe(null);
    await screenshot(page, 'lens-details-dark');
  });

  it('adds a grid that is put together from fields, with its name', async () => {
    await frame.getByRole('button', { name: 'Another grid' }).click();
    await frame.getByRole('combobox', { name: 'Levels' }).selectOption('float');
    await frame.getByRole('combobox', { name: 'Exponent bits' }).selectOption('3');
    await frame.getByRole('combobox', { name: 'Mantissa bits' }).selectOption('2');
    const size = frame.locator('vscode-text-field[aria-label="Weights of a group"] input');
    await size.fill('many');
    await expect.poll(() => frame.locator('.grid-editor .failed').innerText()).toMatch(/not “many”/);
    await size.fill('64');
    await expect.poll(() => frame.locator('.grid-editor .grid-name').innerText()).toBe('e3m2-g64');
    await frame.locator('.grid-editor vscode-button', { hasText: 'Add Grid' }).click();
    await filter().fill('e3m2-g64 nearest');
    await expect.poll(() => cell('e3m2-g64', 'rtn', 'bits').innerText(), { timeout: wait }).toMatch(/6\.25/);
    await expect.poll(() => errorOf('e3m2-g64', 'rtn'), { timeout: wait }).toBeGreaterThan(0);
    await frame.getByRole('button', { name: 'Remove e3m2-g64' }).click();
    await expect.poll(() => line('e3m2-g64', 'rtn').count()).toBe(0);
    await filter().fill('');
    await frame.getByRole('button', { name: 'Another grid' }).click();
  });

  it('offers a calibration with its time, after which all methods and the errors of outputs are there', async () => {
    const offer = frame.locator('.calibration vscode-button', { hasText: /^Calibrate on / });
    await expect
      .poll(() => offer.innerText(), { timeout: wait })
      .toMatch(/^Calibrate on generated-calibration\.txt \(≈ \d+ (s|min), [\d.]+ MB\)$/);
    await offer.click();
    await expect
      .poll(() => frame.locator('.calibration').innerText(), { timeout: 3 * wait })
      .toMatch(/tokens of generated-calibration\.txt \(importance, Hessian, activations\)/);
    await isDone();
    await filter().fill('int3-g64');
    const outputs = async (method: string): Promise<number> =>
      Number.parseFloat(await cell('int3-g64', method, 'outputs').innerText());
    await expect.poll(() => outputs('gptq'), { timeout: wait }).toBeGreaterThan(await outputs('rtn'));
    // Each row says what the method knew, not what it could have known.
    const rung = (method: string) => cell('int3-g64', method, 'evidence').innerText();
    expect([await rung('rtn'), await rung('ecb'), await rung('gptq')]).toEqual([
      ...['weights alone', 'importance', 'Hessian'],
    ]);
    await line('int3-g64', 'ecb').click();
    await expect
      .poll(() => frame.locator('.lens-detail .bias').innerText())
      .toMatch(/^Bias correction of 256 outputs.*: the layer has no bias, so it cannot be stored\.$/);
  });

  it('measures a method again with other options, and only that method', async () => {
    await frame.getByRole('button', { name: 'Options of GPTQ', exact: true }).click();
    const options = frame.getByRole('region', { name: 'Options of GPTQ', exact: true });
    const damping = options.locator('vscode-text-field[aria-label="damping"] input');
    const figures = (method: string) => line('int3-g64', method).innerText();
    const [before, rounding] = [await figures('gptq'), await figures('rtn')];
    await damping.fill('2');
    await expect.poll(() => options.innerText()).toMatch(/damping: “2” is not a number from 0 to 1\./);
    expect(await figures('gptq')).toBe(before);
    await damping.fill('0.9');
    await expect
      .poll(() => cell('int3-g64', 'gptq', 'error').innerText(), { timeout: wait })
      .toMatch(/^0\.\d+$/);
    await expect.poll(() => figures('gptq'), { timeout: wait }).not.toBe(before);
    expect(await figures('rtn')).toBe(rounding);
    await filter().fill('');
    await isDone();
    await choose('Q4_K', 'gptq');
    await expect
      .poll(() => frame.locator('.lens-detail').innerText(), { timeout: wait })
      .toMatch(/With damping 0\.9\./);
  });

  it('saves a layer in a type of GGUF by a method that corrects errors', async () => {
    const detail = frame.locator('.lens-detail');
    await detail.locator('vscode-button', { hasText: 'Save Layer…' }).click();
    const name = `${tensor}.gptq-Q4_K.safetensors`;
    await acceptFile(page);
    await detail.locator('.written').waitFor({ timeout: wait });
    const saved = await openModel(join(workspace, name));
    expect(saved.tensor(tensor)).toMatchObject({ dtype: 'Q4_K', shape: [256, 768] });
    await saved.close();
    await frame.getByRole('button', { name: 'Options of GPTQ', exact: true }).click();
  });

  it('begins with what is known when the tensor is selected again, and fits a narrow panel', async () => {
    await orderBy('Bits').click();
    await choose('Q4_K', 'rtn');
    await frame.locator('.lens-detail .error-map.js-plotly-plot').waitFor({ timeout: wait });
    await frame.locator('.view').evaluate((element) => element.scrollTo(0, 0));
    await runCommand(page, 'View: Toggle Primary Side Bar Visibility');
    const splitter = frame.locator('.splitter');
    for (let step = 0; step < 9; step++) await splitter.press('ArrowLeft');
    await splitter.evaluate((element: HTMLElement) => element.blur());
    await screenshot(page, 'lens-dark');
    await setTheme(page, 'light');
    await screenshot(page, 'lens-light');
    await makeNarrow(page, frame);
    expect(await overflowOf(frame.locator('.view'))).toBeLessThanOrEqual(0);
    // What was measured is not measured again: all rows are there at once.
    await line('int2-g32', 'rtn').waitFor({ timeout: wait });
    expect(await cell('int2-g32', 'rtn', 'error').innerText()).toMatch(/^0\.\d+$/);
    await screenshot(page, 'lens-narrow');
  });
});
