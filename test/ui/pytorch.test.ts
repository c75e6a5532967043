/// <reference lib="dom" />
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder, writeFile } from '../support/files';
import { hasServer, keepFailures, openModelFile, openSample } from '../support/sampleEditor';
import { screenshot } from '../support/screenshots';
import { Call, Global, tensor, torchLegacy, torchZip } from '../support/torchFiles';
import type { VsCode } from '../support/vscodeServer';
import { acceptFile, frontFrame, makeNarrow, overflowOf, runCommand, setTheme } from '../support/workbench';

const wait = 120_000;

describe.skipIf(!hasServer)('PyTorch files in the editor', () => {
  let code: VsCode;
  let page: Page;
  const workspace = temporaryFolder();
  const trace = join(workspace, 'was-run');
  const weights = { 'proj.weight': tensor('F32', [2, 2], Float32Array.of(1, 2, 3, 4)) };

  const open = (name: string) => openModelFile(page, name, wait);

  beforeAll(async () => {
    ({ code, page } = await openSample(workspace, 60_000, () => {
      const attack = new Call(new Global('os', 'system'), `touch ${trace}`);
      writeFile(workspace, 'evil.pt', torchZip({ ...weights, attack }));
      writeFile(workspace, 'pytorch_model-old.bin', torchLegacy(weights));
      const turned = { ...weights['proj.weight'], strides: [1, 2] };
      writeFile(workspace, 'turned.pth', torchZip({ 'turned.weight': turned }));
    }));
  });

  keepFailures('pytorch', () => page);

  afterAll(async () => {
    await code.close();
  });

  it('open like safetensors, with the weights of a tensor', async () => {
    const frame = await open('pytorch_model-old.bin');
    expect(await frame.locator('.notice.danger').count()).toBe(0);
    await frame.locator('.tree .row.tensor').first().click();
    await frame.locator('.histogram.js-plotly-plot').waitFor({ timeout: wait });
  });

  it('say how a transposed tensor is stored', async () => {
    const frame = await open('turned.pth');
    await frame.locator('.tree .row.tensor').first().click();
    await frame.getByText('stored in another order (strides 1, 2)').waitFor({ timeout: wait });
  });

  it('are converted to safetensors, which opens', async () => {
    await open('pytorch_model-old.bin');
    await runCommand(page, 'Quantscope: Convert to Safetensors…');
    await page.getByText('Every tensor is copied bit by bit.').click({ timeout: wait });
    await page.getByText('The weights alone.').click({ timeout: wait });
    await acceptFile(page);
    await page.getByText('1 tensor, 16 B in 1 file.').waitFor({ timeout: wait });
    await page.getByRole('button', { name: 'Convert', exact: true }).click();
    await page
      .getByRole('treeitem', { name: 'pytorch_model-old.safetensors', exact: true })
      .dblclick({ timeout: wait });
    await frontFrame(page).locator('.tree .row.tensor').first().click({ timeout: wait });
    await frontFrame(page).getByText('pytorch_model-old.safetensors from byte').waitFor({ timeout: wait });
    const out = readFileSync(join(workspace, 'pytorch_model-old.safetensors'));
    expect(out.subarray(-16)).toEqual(Buffer.from(Float32Array.of(1, 2, 3, 4).buffer));
  });

  it('that would run code show it above everything else, and run nothing', async () => {
    const frame = await open('evil.pt');
    const danger = frame.locator('.notice.danger');
    expect(await danger.innerText()).toMatch(
      /Danger: loading this model in Python can run code\.[^]*os\.system\("touch .*was-run"\) \(evil\.pt, byte \d+\)/,
    );
    expect(await danger.getAttribute('role')).toBe('alert');
    const [noticed, tree] = await Promise.all([
      danger.boundingBox(),
      frame.locator('.tree').first().boundingBox(),
    ]);
    expect(noticed!.y).toBeLessThan(tree!.y);
    expect(existsSync(trace)).toBe(false);
    await screenshot(page, 'danger-dark');
    await setTheme(page, 'light');
    await screenshot(page, 'danger-light');
    await runCommand(page, 'View: Toggle Primary Side Bar Visibility');
    await makeNarrow(page, frame);
    expect(await overflowOf(danger)).toBeLessThanOrEqual(0);
    await screenshot(page, 'danger-narrow');
  });
});
