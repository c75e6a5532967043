import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { FrameLocator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportGguf } from '../../src/exporter/exportGguf';
import { openModel } from '../../src/layouts/openModel';
import { enginePids } from '../support/engineProcesses';
import { sampleFolder, temporaryFolder } from '../support/files';
import { hasServer, keepFailures, openSample } from '../support/sampleEditor';
import { screenshot } from '../support/screenshots';
import type { VsCode } from '../support/vscodeServer';
import {
  acceptFile,
  frontFrame,
  makeNarrow,
  openPage,
  overflowOf,
  runCommand,
  saveFileAs,
  setTheme,
} from '../support/workbench';

const wait = 120_000;

describe.skipIf(!hasServer)('Refine GGUF File…', () => {
  let code: VsCode;
  let page: Page;
  let frame: FrameLocator;
  const workspace = temporaryFolder();
  const out = join(workspace, 'tiny-refined.gguf');

  beforeAll(async () => {
    ({ code, page, frame } = await openSample(workspace, wait, async () => {
      const model = await openModel(sampleFolder);
      await exportGguf(model, { type: 'Q2_K' }, join(workspace, 'tiny.gguf'));
      await model.close();
    }));
  });

  keepFailures('refine', () => page);

  afterAll(async () => {
    await code.close();
  });

  const tab = () => frame.locator('.refine');
  const run = () => tab().locator('.run');
  const button = (name: string) => tab().getByRole('button', { name, exact: true });
  const fill = (name: string, value: string) =>
    tab().locator(`vscode-text-field[aria-label="${name}"] input`).fill(value);
  const step = async (): Promise<number> =>
    Number(/last measured at step\s+(\d+) of 200/.exec(await run().innerText())?.[1] ?? NaN);

  it('opens from the tab of the original, and knows it and a text next to it', async () => {
    await openPage(frame, 'Export', 'Refine');
    await frame.getByRole('button', { name: 'Refine a GGUF File…' }).click();
    await acceptFile(page, 'tiny.gguf');
    frame = frontFrame(page);
    await tab().waitFor({ timeout: wait });
    const fields = await tab().locator('.options').innerText();
    expect(fields).toContain('model.safetensors');
    expect(fields).toContain('generated-calibration.txt');
    await fill('Steps', '1.5');
    await expect.poll(() => tab().locator('.start').innerText()).toContain('“1.5” is not a whole number');
    await expect.poll(() => button('Estimate').isDisabled()).toBe(true);
  });

  it('says what it would take before it starts', async () => {
    await fill('Steps', '200');
    await fill('Windows of a step', '1');
    await fill('Tokens per window', '64');
    await tab().getByRole('combobox', { name: 'Trained parts' }).selectOption('factors');
    expect(await button('Refine…').isDisabled()).toBe(true);
    await button('Estimate').click();
    await expect
      .poll(() => tab().locator('.outcome').innerText(), { timeout: wait })
      .toMatch(/steps\s+200\s+time\s+≈ \d+ (s|min)\s+memory\s+≈ [\d.]+ MB\s+disk\s+≈ [\d.]+ (kB|MB)/);
    await screenshot(page, 'refine-estimate-dark');
  });

  it('shows the divergence on text that is kept back, and writes its best state when it is stopped', async () => {
    await button('Refine…').click();
    await saveFileAs(page, 'tiny-refined.gguf', out);
    await expect.poll(() => run().innerText(), { timeout: wait }).toMatch(/smallest\s+0\.0\d+ \(step \d+/);
    await run().locator('.curve.js-plotly-plot').waitFor({ timeout: wait });
    await screenshot(page, 'refine-running-dark');
    await button('Stop').click();
    await expect
      .poll(() => run().innerText(), { timeout: wait })
      .toMatch(/Written: .*tiny-refined\.gguf[\s\S]*The run was stopped, and can be continued\./);
    expect(existsSync(out)).toBe(true);
    expect(await run().locator('.curve').getAttribute('aria-label')).toMatch(
      /^Mean KL divergence over steps; 0\.0\d+ after \d+ of 200$/,
    );
  });

  it('continues where it was stopped', async () => {
    const before = await step();
    await button('Continue').click();
    await expect.poll(step, { timeout: wait }).toBeGreaterThan(before);
    await button('Stop').click();
    await run().locator('.written').waitFor({ timeout: wait });
    await runCommand(page, 'View: Toggle Primary Side Bar Visibility');
    await screenshot(page, 'refine-dark');
    await setTheme(page, 'light');
    await screenshot(page, 'refine-light');
  });

  it('writes its best state where a run ends without writing one', async () => {
    const before = await step();
    await button('Continue').click();
    await expect.poll(step, { timeout: wait }).toBeGreaterThan(before);
    for (const pid of enginePids()) process.kill(pid, 'SIGKILL');
    await button('Restart and Run Again').waitFor({ timeout: wait });
    await button('Write Best So Far').click();
    await run().locator('.written').waitFor({ timeout: wait });
  });

  it('compares the result with the file', async () => {
    await button('Compare with the File').click();
    await expect
      .poll(() => frame.locator('.compare .totals').innerText(), { timeout: wait })
      .toMatch(/\d+ different/);
    await openPage(frame, 'Export', 'Refine');
  });

  it('fits a narrow panel', async () => {
    await makeNarrow(page, frame);
    await run().waitFor({ timeout: wait });
    expect(await overflowOf(frame.locator('.view'))).toBe(0);
    await screenshot(page, 'refine-narrow');
  });
});
