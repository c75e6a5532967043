/// <reference lib="dom" />
import { readdirSync } from 'node:fs';
import type { FrameLocator, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { modesOf, tabs } from '../../webview/tabs';
import { seriousViolations } from '../support/accessibility';
import { temporaryFolder } from '../support/files';
import { hasServer, keepFailures, openSample } from '../support/sampleEditor';
import { screenshot } from '../support/screenshots';
import type { VsCode } from '../support/vscodeServer';
import { frontFrame, openPage, runCommand, setTheme } from '../support/workbench';

const wait = 120_000;

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

  /** Presses Tab until an element has the focus. */
  async function tabTo(element: Locator): Promise<void> {
    const hasFocus = (): Promise<boolean> =>
      element.evaluate((target) => target.contains(document.activeElement), undefined, { timeout: wait });
    for (let presses = 0; !(await hasFocus()); presses++) {
      if (presses === 60) throw new Error('Tab does not reach it.');
      await page.keyboard.press('Tab');
    }
  }

  it('opens with the model', async () => {
    await expect.poll(() => isShown('Model')).toBe('true');
    await screenshot(page, 'frame-model-dark');
  });

  it('goes from the open file to a saved quantized tensor by keys alone', async () => {
    const name = 'model.layers.0.self_attn.q_proj.weight';
    await tabTo(frame.locator('.tree-grid'));
    for (let at = 0; at < 5; at++) await page.keyboard.press('ArrowDown');
    await expect.poll(() => frame.locator('.row.tensor.selected').getAttribute('data-name')).toBe(name);
    await page.keyboard.press('Enter');
    await expect.poll(() => isShown('Tensor')).toBe('true');
    await tabTo(frame.locator('.view vscode-button', { hasText: 'Quantize Layer…' }));
    await page.keyboard.press('Enter');
    await frame.locator('.lens-table .grid-row[data-grid]').first().waitFor({ timeout: wait });
    await expect
      .poll(() => frame.locator('.lens-progress').innerText(), { timeout: wait })
      .toMatch(/^\d+ recipes$/);
    await tabTo(frame.locator('.lens-table .grid'));
    await page.keyboard.press('Home');
    await page.keyboard.press('Enter');
    await frame.locator('.lens-detail .histogram.js-plotly-plot').waitFor({ timeout: wait });
    await tabTo(frame.locator('.lens-detail vscode-button', { hasText: 'Save Layer…' }));
    await page.keyboard.press('Enter');
    await page.locator('.quick-input-widget .quick-input-box input').waitFor({ timeout: wait });
    await expect
      .poll(() => page.locator('.quick-input-widget .quick-input-box input').inputValue())
      .toMatch(/\.safetensors$/);
    await page.keyboard.press('Enter');
    await frame.locator('.lens-detail .written').waitFor({ timeout: wait });
    const written = readdirSync(workspace).filter((file) => file.startsWith(name));
    expect(written.filter((file) => file.endsWith('.safetensors'))).toHaveLength(1);
  });

  it.each(['dark', 'light', 'contrast', 'lightContrast'] as const)(
    'can be used on every page in the %s theme, as far as axe-core can tell',
    async (theme) => {
      await setTheme(page, theme);
      for (const { id, label } of tabs) {
        for (const mode of modesOf(id).length > 0 ? modesOf(id) : [undefined]) {
          await openPage(frame, label, mode?.label);
          await frame.locator('.view .spinner').first().waitFor({ state: 'detached', timeout: wait });
          expect(await seriousViolations(frame), `${label} ${mode?.label ?? ''}`).toEqual([]);
        }
      }
      await openPage(frame, 'Tensor');
      await frame.locator('.histogram .bars path').first().waitFor({ timeout: wait });
      await screenshot(page, `frame-tensor-${theme}`);
    },
    3 * wait,
  );

  it('is as it was left after the window is loaded again', async () => {
    await row('model.layers.0.self_attn.k_proj.weight').click();
    await row('model.layers.0.self_attn.q_proj.weight').click({ modifiers: ['Control'] });
    await expect.poll(() => isShown('Tensor')).toBe('true');
    await row('model.layers.1.').click(); // folds it
    await frame.locator('.histogram .bars path').first().waitFor({ timeout: wait });
    await scroll('.tree-grid', 240);
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
    await expect.poll(() => scrolled('.tree-grid')).toBe(240);
    await expect.poll(() => scrolled('.view'), { timeout: wait }).toBe(300);
    await openPage(frame, 'Export');
    await expect.poll(() => frame.getByLabel('File type').inputValue(), { timeout: wait }).toBe('Q6_K');
    await openPage(frame, 'Plan');
    expect(await frame.getByRole('radio', { name: 'Sensitivity' }).getAttribute('aria-checked')).toBe('true');
  });
});
