/// <reference lib="dom" />
import { cpSync } from 'node:fs';
import type { FrameLocator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { modesOf, tabs } from '../../webview/tabs';
import { projectRoot, sampleFolder, temporaryFolder } from '../support/files';
import { hasServer, keepFailures, openModelFile } from '../support/sampleEditor';
import { screenshot } from '../support/screenshots';
import { startVsCode, type VsCode } from '../support/vscodeServer';
import { waitForExtension } from '../support/workbench';

const wait = 120_000;

/** Names that stay as they are in Chinese: of formats, methods, figures and parts. */
const isName = (text: string): boolean =>
  !/[a-z]{3,}/.test(text) || /^[\w.\-/ ]*[\d_.][\w.\-/ ]*$/.test(text);

/** Texts of a page with three English words in a row: no name has so many. */
const englishIn = async (frame: FrameLocator): Promise<string[]> => {
  const text = await frame.locator('.view').first().innerText();
  return text.split('\n').filter((line) => /\b[a-z]{2,} [a-z]{2,} [a-z]{2,}\b/.test(line));
};

describe.skipIf(!hasServer)('VS Code in Chinese', () => {
  let code: VsCode;
  let page: Page;
  let frame: FrameLocator;

  beforeAll(async () => {
    const folder = temporaryFolder();
    cpSync(sampleFolder, folder, { recursive: true });
    code = await startVsCode({ folder, extensionPath: projectRoot, language: 'zh-cn' });
    page = code.page;
    await waitForExtension(page, 'Quantscope: 显示日志');
    frame = await openModelFile(page, 'model.safetensors', wait);
  });

  keepFailures('language', () => page);

  afterAll(() => code.close());

  it.each(tabs.map(({ id }, index) => [id, index] as const))(
    'has a Chinese page %s without cut words',
    async (id, index) => {
      await frame.getByRole('tab').nth(index).click();
      const modes = modesOf(id).length;
      for (let mode = 0; mode < Math.max(1, modes); mode++) {
        if (modes > 0) await frame.locator('.modes-of-page').getByRole('radio').nth(mode).click();
        await frame.locator('.view').first().waitFor({ timeout: wait });
        await screenshot(page, `zh-${id}-${mode}`);
        const labels = frame.locator('[role=tab], vscode-button, .view h3, .view h4, .view dt, .view label');
        const shown = await labels.evaluateAll((elements) =>
          elements
            .filter((element) => element.getClientRects().length > 0)
            .map((element) => ({
              text: element.textContent.trim(),
              isCut:
                getComputedStyle(element).overflowX !== 'visible' &&
                element.scrollWidth > element.clientWidth + 1,
            })),
        );
        expect(shown.filter(({ text }) => !/[\u4e00-\u9fff]/.test(text) && !isName(text))).toEqual([]);
        expect(shown.filter(({ isCut }) => isCut)).toEqual([]);
        expect(await englishIn(frame)).toEqual([]);
      }
    },
  );
});
