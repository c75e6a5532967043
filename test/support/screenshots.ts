import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { projectRoot } from './files';

const folder = join(projectRoot, 'test-results', 'screenshots');

/** Pictures that the project shows; they are renewed on demand only. */
const shown: ReadonlySet<string> = new Set([
  ...['model-dark', 'model-light', 'damage-dark', 'damage-light'],
  ...['editor-dark', 'editor-light', 'quantize-dark', 'quantize-light', 'engine-died-dark'],
  ...['influence-dark', 'influence-light', 'plan-influence-dark', 'plan-influence-light'],
  ...['export-dark', 'export-light', 'compare-dark', 'compare-light', 'evaluate-dark', 'evaluate-light'],
  ...['tensor-dark', 'tensor-light', 'stored-dark', 'stored-light', 'lens-dark', 'lens-light'],
  ...['quantize-model-dark', 'quantize-model-light', 'preview-dark', 'preview-light'],
  ...['chat-dark', 'chat-light'],
]);

/** Pictures taken of a page that does not come to rest, as with a job that runs, before the last one is kept. */
const maxPictures = 20;

/** Takes a picture of the whole workbench once charts and fonts have settled: two pictures in a row are equal. */
export async function screenshot(page: Page, name: string): Promise<void> {
  let [last, picture] = [await page.screenshot(), await page.screenshot()];
  for (let taken = 2; taken < maxPictures && !picture.equals(last); taken++)
    [last, picture] = [picture, await page.screenshot()];
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${name}.png`);
  writeFileSync(file, picture);
  if (process.env['QUANTSCOPE_UPDATE_MEDIA'] === '1' && shown.has(name))
    await page.screenshot({ path: join(projectRoot, 'media', `${name}.png`), clip: await belowTitle(page) });
}

/** The window without its title bar, which says that the extension is under development. */
async function belowTitle(page: Page): Promise<{ x: number; y: number; width: number; height: number }> {
  const { width, height } = page.viewportSize()!;
  const bar = await page.locator('.part.titlebar').boundingBox();
  const y = bar ? bar.y + bar.height : 0;
  return { x: 0, y, width, height: height - y };
}

/** What the workbench looks like after a test that failed; `suite` keeps files of the same name apart. */
export async function screenshotOfFailure(page: Page, suite: string, test: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const name = `failed-${suite}-${test.slice(0, 40).replace(/\W+/g, '-')}.png`;
  await page.screenshot({ path: join(folder, name) });
}
