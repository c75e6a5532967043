/// <reference lib="dom" />
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { FrameLocator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasSharedData, sharedData, temporaryFolder } from '../support/files';
import { hasServer, keepFailures, openModelFile, openSample } from '../support/sampleEditor';
import { screenshot } from '../support/screenshots';
import type { VsCode } from '../support/vscodeServer';
import { makeNarrow, overflowOf, runCommand, setTheme } from '../support/workbench';

const wait = 120_000;
const reference = join(sharedData, 'reference/gptqmodel/folders/gptq-4bit-g32-asym');

/** What plotly keeps on the element it draws into. */
interface Drawn {
  readonly type: string;
  readonly y: readonly number[];
  readonly z: readonly (readonly number[])[];
}

describe.skipIf(!hasServer || !hasSharedData)('a GPTQ checkpoint in the editor', () => {
  let code: VsCode;
  let page: Page;
  let frame: FrameLocator;
  const workspace = temporaryFolder();

  beforeAll(async () => {
    ({ code, page } = await openSample(workspace, wait, () => {
      mkdirSync(join(workspace, 'gptq'));
      for (const name of ['model.safetensors', 'config.json'])
        copyFileSync(join(reference, name), join(workspace, 'gptq', name));
    }));
    frame = await openModelFile(page, 'gptq/model.safetensors', wait);
  });

  keepFailures('stored', () => page);

  afterAll(async () => {
    await code.close();
  });

  const drawn = (selector: string): Promise<Drawn[]> =>
    frame
      .locator(`${selector}.js-plotly-plot`)
      .first()
      .evaluate((element) => (element as unknown as { data: Drawn[] }).data);

  it('lists weights, not their parts, with the bits that all parts take', async () => {
    const row = frame.locator('.rows .row[data-name="model.layers.0.mlp.up_proj.weight"]');
    await row.click();
    const cells = await row.locator('[role=gridcell]').allTextContents();
    expect(cells).toEqual(['up_proj.weight', '256 × 128', 'GPTQ 4-bit', '32.8 k', '19.46 kB', '4.75']);
  });

  it('shows parts, codes, saturation, scales and zero points of a weight', async () => {
    const stored = frame.locator('.stored');
    await stored.locator('.group-map.zero-point.js-plotly-plot').waitFor({ timeout: wait });
    const parts = await stored.locator('.parts tbody tr').allInnerTexts();
    expect(parts.map((line) => line.split('\t').map((cell) => cell.trim()))).toEqual([
      ['qweight', 'I32', '16 × 256', '16.38 kB', '4.00'],
      ['qzeros', 'I32', '4 × 32', '512 B', '0.13'],
      ['scales', 'F16', '4 × 256', '2.05 kB', '0.50'],
      ['g_idx', 'I32', '128', '512 B', '0.13'],
      ['together', '', '', '19.46 kB', '4.75'],
    ]);
    expect(await stored.innerText()).toMatch(
      /16 of 16 levels are used\. Saturated: 3\.8 % at the lowest \(0\), 3\.8 % at the highest \(15\)/,
    );
    const [codes] = await drawn('.codes');
    expect(codes!.y).toHaveLength(16);
    expect(codes!.y.reduce((sum, count) => sum + count, 0)).toBe(256 * 128);
    const [scales] = await drawn('.group-map.scale');
    expect([scales!.z.length, scales!.z[0]!.length]).toEqual([128, 4]);
    const [zeros] = await drawn('.group-map.zero-point');
    expect(Math.min(...zeros!.z.flat())).toBeGreaterThanOrEqual(3);
    expect(Math.max(...zeros!.z.flat())).toBeLessThanOrEqual(14);
  });

  it('is shown in both themes and in a narrow panel', async () => {
    await frame.locator('.stored h3').scrollIntoViewIfNeeded();
    await frame.locator('.stored').evaluate((element) => element.scrollIntoView());
    await screenshot(page, 'stored-dark');
    await setTheme(page, 'light');
    await screenshot(page, 'stored-light');
    await frame.locator('.stored .group-map.scale').evaluate((element) => element.scrollIntoView());
    await screenshot(page, 'stored-maps-light');
    await runCommand(page, 'View: Toggle Primary Side Bar Visibility');
    await makeNarrow(page, frame);
    expect(await overflowOf(frame.locator('.view'))).toBeLessThanOrEqual(0);
    await screenshot(page, 'stored-narrow');
  });
});
