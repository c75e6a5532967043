/// <reference lib="dom" />
import type { FrameLocator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../support/files';
import { hasServer, keepFailures, openSample } from '../support/sampleEditor';
import { screenshot } from '../support/screenshots';
import type { VsCode } from '../support/vscodeServer';
import { frontFrame, openPage, runCommand } from '../support/workbench';

const wait = 60_000;

describe.skipIf(!hasServer)('the frame of the editor', () => {
  let code: VsCode;
  let page: Page;
  let frame: FrameLocator;
  const workspace = temporaryFolder();

  beforeAll(async () => {
    ({ code, page, frame } = await openSample(workspace, wait));
  });

  keepFailures('frame', () => page);

  afterAll(async () => {
    await code.close();
  });

  const row = (name: string) => frame.locator(`.rows .row[data-name="${name}"]`);
  const isShown = (tab: string) => frame.getByRole('tab', { name: tab }).getAttribute('aria-selected');
  const scrolled = (selector: string) =>
    frame.locator(selector).evaluate(({ scrollTop }) => Math.round(scrollTop));
  const scroll = (selector: string, top: number) =>
    frame.locator(selector).evaluate((element, goal) => void (element.scrollTop = goal), top);

  it('opens with the model', async () => {
    await expect.poll(() => isShown('Model')).toBe('true');
    await screenshot(page, 'frame-model-dark');
  });

  it('is as it was left after the window is loaded again', async () => {
    await row('model.layers.0.self_attn.k_proj.weight').click();
    await row('model.layers.0.self_attn.q_proj.weight').click({ modifiers: ['Control'] });
    await expect.poll(() => isShown('Tensor')).toBe('true');
    await row('model.layers.1.').click(); // folds it
    await frame.locator('.histogram .bars path').first().waitFor({ timeout: wait });
    await scroll('.tree .rows', 240);
    await scroll('.view', 300);
    await openPage(frame, 'Plan', 'Sensitivity');
    await openPage(frame, 'Export', 'Refine');
    await openPage(frame, 'Export', 'Export');
    await frame.getByLabel('File type').selectOption('Q6_K');
    await openPage(frame, 'Tensor');
    await frame.locator('.histogram .bars path').first().waitFor({ timeout: wait });
    await expect.poll(() => scrolled('.view')).toBe(300);
    await page.waitForTimeout(500); // what was left last has reached VS Code

    await frame.locator('body').evaluate((body) => (body.dataset['page'] = 'first'));
    await runCommand(page, 'Developer: Reload Window');
    await expect
      .poll(
        () =>
          frontFrame(page)
            .locator('body')
            .evaluate((body) => body.dataset['page']),
        { timeout: wait },
      )
      .toBeUndefined();
    frame = frontFrame(page);
    await row('model.layers.1.').waitFor({ timeout: wait });
    await expect.poll(() => isShown('Tensor')).toBe('true');
    expect(await row('model.layers.1.').getAttribute('aria-expanded')).toBe('false');
    expect(await frame.locator('.row.tensor.selected').count()).toBe(2);
    await expect.poll(() => scrolled('.tree .rows')).toBe(240);
    await expect.poll(() => scrolled('.view'), { timeout: wait }).toBe(300);
    await openPage(frame, 'Export');
    await expect.poll(() => frame.getByLabel('File type').inputValue(), { timeout: wait }).toBe('Q6_K');
    await openPage(frame, 'Plan');
    expect(await frame.getByRole('radio', { name: 'Sensitivity' }).getAttribute('aria-checked')).toBe('true');
  });
});
