import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportGguf } from '../../src/exporter/exportGguf';
import { readManifest } from '../../src/files/digests/manifest';
import { openModel } from '../../src/layouts/openModel';
import { flipByte } from '../support/damage';
import { sampleFolder } from '../support/files';
import { hasServer, keepFailures, openModelFile, openSample, sampleWorkspace } from '../support/sampleEditor';
import { screenshot } from '../support/screenshots';
import type { VsCode } from '../support/vscodeServer';
import { makeNarrow, overflowOf, runCommand, setTheme } from '../support/workbench';

const wait = 120_000;

describe.skipIf(!hasServer)('Damaged files in the editor', () => {
  let code: VsCode;
  let page: Page;
  const workspace = sampleWorkspace();
  const file = join(workspace, 'damaged.gguf');
  const whole = join(workspace, 'whole.gguf');
  const tensor = 'blk.2.ffn_down.weight';

  const open = (name: string) => openModelFile(page, name, wait);

  beforeAll(async () => {
    ({ code, page } = await openSample(workspace, 60_000, async () => {
      const model = await openModel(sampleFolder);
      for (const out of [file, whole]) await exportGguf(model, { type: 'Q4_K_M' }, out);
      await model.close();
      const { tensors } = (await readManifest(file))!;
      flipByte(file, tensors.find(({ name }) => name === tensor)!.offset + 70_000);
    }));
  });

  keepFailures('verify', () => page);

  afterAll(async () => {
    await code.close();
  });

  it('are told from whole ones, which show nothing, and are checked on demand', async () => {
    const frame = await open('whole.gguf');
    await runCommand(page, 'Quantscope: Verify File…');
    await page
      .getByText(/whole\.gguf: 57 tensors, 3\.15 MB read: nothing wrong was found/)
      .first()
      .waitFor({ timeout: wait });
    expect(await frame.locator('.notice.damage').count()).toBe(0);
  });

  it('name the tensor and its blocks above everything else, and on its page', async () => {
    const frame = await open('damaged.gguf');
    const notice = frame.locator('.notice.danger.damage');
    await notice.waitFor({ timeout: wait });
    expect(await notice.innerText()).toMatch(
      /Damaged: these files are not those that were written\. 1 fault\.\s+blk\.2\.ffn_down\.weight Bytes differ from those written: bytes [\d,]+ to [\d,]+, blocks 312 to 468\. damaged\.gguf/,
    );
    expect(await notice.getAttribute('role')).toBe('alert');
    await notice.getByRole('button', { name: tensor }).click();
    await frame.getByRole('heading', { name: tensor }).waitFor({ timeout: wait });
    await frame.getByText('The tensor is damaged.').waitFor({ timeout: wait });
    await frame.locator('.histogram.js-plotly-plot').waitFor({ timeout: wait });
    await screenshot(page, 'damage-dark');
    await setTheme(page, 'light');
    await screenshot(page, 'damage-light');
    await runCommand(page, 'View: Toggle Primary Side Bar Visibility');
    await makeNarrow(page, frame);
    expect(await overflowOf(notice)).toBeLessThanOrEqual(0);
    await screenshot(page, 'damage-narrow');
  });
});
