/// <reference lib="dom" />
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { FrameLocator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasServer, keepFailures, openSample, sampleWorkspace } from '../support/sampleEditor';
import { screenshot } from '../support/screenshots';
import type { VsCode } from '../support/vscodeServer';
import {
  frontFrame,
  makeNarrow,
  openPage,
  overflowOf,
  runCommand,
  saveFileAs,
  setTheme,
} from '../support/workbench';

const wait = 120_000;

describe.skipIf(!hasServer)('Quantize Model…', () => {
  let code: VsCode;
  let page: Page;
  let frame: FrameLocator;
  const workspace = sampleWorkspace();
  /** The suggested folder, next to that of the model. */
  const out = join(dirname(workspace), `${basename(workspace)}-gptq-int4-g32`);

  beforeAll(async () => {
    ({ code, page, frame } = await openSample(workspace, wait));
  });

  keepFailures('quantize-model', () => page);

  afterAll(async () => {
    await code.close();
  });

  const tab = () => frame.locator('.quantize-model');
  const row = (name: string) => tab().locator(`.grid-row[data-tensor="${name}"]`);
  const start = () => tab().getByRole('button', { name: 'Quantize', exact: true });

  it('opens from the palette, with a dry run of the recipe: size, time and memory, and why each tensor is stored so', async () => {
    await runCommand(page, 'Quantscope: Quantize Model…');
    await frame.getByRole('combobox', { name: 'Recipe' }).selectOption('gptq-int4-g32');
    await row('model.layers.0.mlp.up_proj.weight').waitFor({ timeout: wait });
    const cells = await row('model.layers.0.mlp.up_proj.weight').locator('[role=gridcell]').allInnerTexts();
    expect(cells.slice(0, 3)).toEqual(['BF16', 'int4, group 32', 'gptq']);
    const totals = await tab().locator('.outcome .totals').innerText();
    expect(totals).toMatch(/matrices\s+42 of 57 tensors/);
    expect(totals).toMatch(/time\s+≈ \d+ s[\s\S]*memory\s+≈ [\d.]+ MB/);
    await expect
      .poll(() => tab().locator('.outcome .totals').innerText(), { timeout: wait })
      .toMatch(/calibration\s+≈ \d+ s/);
    const filter = tab().locator('.filter vscode-text-field input');
    await filter.fill('lm_head');
    await expect.poll(() => row('lm_head.weight').innerText()).toMatch(/BF16[\s\S]*BF16[\s\S]*skip/);
    await filter.fill('');
  });

  it('takes changes of the recipe into the dry run', async () => {
    const bytes = async () => Number(await tab().locator('.outcome .totals').getAttribute('data-bytes'));
    const before = await bytes();
    await frame.getByRole('button', { name: 'Change the recipe' }).click();
    await frame.getByRole('combobox', { name: 'Bits' }).selectOption('8');
    await expect.poll(bytes, { timeout: wait }).toBeGreaterThan(1.2 * before);
    await frame.getByRole('button', { name: 'As the recipe says' }).click();
    await expect.poll(bytes, { timeout: wait }).toBe(before);
    await frame.getByRole('button', { name: 'Change the recipe' }).click();
  });

  it('shows where the result goes before it starts, and what is wrong with another folder', async () => {
    const field = tab().locator('vscode-text-field[aria-label="Output folder"]');
    await expect.poll(() => field.getAttribute('placeholder'), { timeout: wait }).toBe(out);
    const problem = tab().locator('.output .failed');
    await field.locator('input').fill(join(workspace, 'inside'));
    await expect
      .poll(() => problem.innerText(), { timeout: wait })
      .toMatch(/is that of the model.*or lies in it/);
    await field.locator('input').fill(join(workspace, 'config.json'));
    await expect.poll(() => problem.innerText(), { timeout: wait }).toMatch(/exists and is not a folder/);
    await expect.poll(() => start().isDisabled()).toBe(true);
    await screenshot(page, 'quantize-model-output-dark');
    await frame.getByRole('button', { name: 'Suggested: Output folder' }).click();
    await expect.poll(() => problem.count(), { timeout: wait }).toBe(0);
  });

  it('quantizes into a folder, with the error of each finished matrix', async () => {
    await screenshot(page, 'quantize-model-plan-dark');
    await start().click();
    await tab()
      .locator('.quantized')
      .waitFor({ timeout: 3 * wait });
    expect(await tab().locator('.quantized').innerText()).toContain(out);
    expect(readdirSync(out)).toEqual(
      expect.arrayContaining(['README.md', 'config.json', 'model.safetensors', 'tokenizer.json']),
    );
    const config = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')) as {
      quantization_config: object;
    };
    expect(config.quantization_config).toMatchObject({ quant_method: 'gptq', bits: 4, group_size: 32 });
    await expect
      .poll(() => row('model.layers.0.mlp.up_proj.weight').innerText())
      .toMatch(/Hessian[\s\S]*\d\d\.\d dB/);
    await runCommand(page, 'View: Toggle Primary Side Bar Visibility');
    await screenshot(page, 'quantize-model-dark');
    await setTheme(page, 'light');
    await screenshot(page, 'quantize-model-light');
  });

  it('compares the result with the original, and opens it', async () => {
    await tab().locator('vscode-button', { hasText: 'Compare with Original' }).click();
    await expect
      .poll(() => frame.locator('.compare .totals').innerText(), { timeout: wait })
      .toMatch(/42 different/);
    await openPage(frame, 'Quantize', 'Whole model');
    await tab().locator('vscode-button', { hasText: 'Open Model' }).click();
    const opened = frontFrame(page);
    await opened.locator('.notice', { hasText: 'GPTQ 4-bit' }).first().waitFor({ timeout: wait });
    await runCommand(page, 'View: Close Editor');
  });

  it('leaves nothing when it is cancelled', async () => {
    const cancelled = `${out}-cancelled`;
    await openPage(frame, 'Quantize', 'Whole model');
    // A text that takes far longer than it takes to click.
    const text = join(workspace, 'generated-calibration.txt');
    writeFileSync(text, readFileSync(text, 'utf8').repeat(40));
    await tab().locator('vscode-text-field[aria-label="Calibration tokens"] input').fill('200000');
    await expect
      .poll(() => tab().locator('.outcome .totals').innerText(), { timeout: wait })
      .toMatch(/calibration\s+≈ (\d{2,} s|\d+ min)/);
    await tab().locator('vscode-button', { hasText: 'Browse…' }).last().click();
    await saveFileAs(page, `${basename(out)}-2`, cancelled);
    await start().click({ timeout: wait });
    await tab().locator('.run vscode-button', { hasText: 'Cancel' }).click({ timeout: wait });
    await expect
      .poll(() => tab().locator('.run').innerText(), { timeout: wait })
      .toMatch(/Cancelled; nothing was written\./);
    expect(existsSync(cancelled)).toBe(false);
    expect(readdirSync(dirname(out)).filter((name) => name.includes(`${basename(cancelled)}.`))).toEqual([]);
  });

  it('fits a narrow panel', async () => {
    await makeNarrow(page, frame);
    await tab().locator('.outcome .totals').waitFor({ timeout: wait });
    expect(await overflowOf(tab())).toBeLessThanOrEqual(0);
    await screenshot(page, 'quantize-model-narrow');
  });
});
