import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../support/files';
import { hasServer, keepFailures, openSample } from '../support/sampleEditor';
import { screenshot } from '../support/screenshots';
import type { VsCode } from '../support/vscodeServer';
import { frontFrame, openFile, setTheme } from '../support/workbench';

const wait = 120_000;

const source = `from transformers import BitsAndBytesConfig

config = BitsAndBytesConfig(llm_int8_skip_modules=[
    "mlp.down_proj",
])
weight = model.state_dict()["model.layers.3.mlp.down_proj.weight"]
`;

describe.skipIf(!hasServer)('Names in documents', () => {
  let code: VsCode;
  let page: Page;
  const workspace = temporaryFolder();

  beforeAll(async () => {
    ({ code, page } = await openSample(workspace, 60_000, () => {
      writeFileSync(join(workspace, 'quantize.py'), source);
      return Promise.resolve();
    }));
  });

  keepFailures('names', () => page);

  afterAll(async () => {
    await code.close();
  });

  /** The hover over a text of the document in front. */
  async function hoverOver(text: string): Promise<Locator> {
    const hover = page.locator('.monaco-hover:visible').filter({ hasText: 'bits per weight' });
    await page.mouse.move(0, 0);
    await page.locator('.view-line').getByText(text).first().hover();
    await hover.first().waitFor({ timeout: wait });
    return hover.first();
  }

  it('show what a tensor is and what is suggested for it, with links', async () => {
    await openFile(page, 'quantize.py');
    const hover = await hoverOver('model.layers.3');
    const text = await hover.innerText();
    expect(text).toContain('BF16 · [256, 768] · 196,608 weights');
    expect(text).toMatch(/Suggested: \w+, \d\.\d\d bits per weight/);
    expect(text).toContain('Estimate from the header');
    expect(await hover.locator('table tr').count()).toBe(4);
    await screenshot(page, 'hover-dark');
    await setTheme(page, 'light');
    await hoverOver('model.layers.3');
    await screenshot(page, 'hover-light');
    await setTheme(page, 'dark');
    await hoverOver('model.layers.3');
    await page.getByText('Open in Editor').first().click();
    await frontFrame(page)
      .locator('.tree .row.tensor.selected', { hasText: 'down_proj' })
      .waitFor({ timeout: wait });
  });

  it('sum up what a list of modules meets, also in a narrow window', async () => {
    await openFile(page, 'quantize.py');
    await page.setViewportSize({ width: 640, height: 900 });
    const text = await (await hoverOver('"mlp.down_proj"')).innerText();
    expect(text).toContain('6 tensors · in 6 layers');
    await screenshot(page, 'hover-narrow-dark');
  });

  it('have sizes and commands above config.json', async () => {
    await page.setViewportSize({ width: 1280, height: 800 });
    await openFile(page, 'config.json');
    const lens = page.locator('.codelens-decoration');
    await lens.getByText('10.49 MB now, BF16').waitFor({ timeout: wait });
    await lens.getByText(/MB at 4\.8\d bits per weight, not measured yet/).waitFor({ timeout: wait });
    await screenshot(page, 'codelens-dark');
    await lens.getByRole('button', { name: 'Recommend' }).or(lens.getByText('Recommend')).first().click();
    await frontFrame(page).getByRole('tab', { name: 'Plan', selected: true }).waitFor({ timeout: wait });
  });
});
