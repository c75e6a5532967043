import { cpSync, existsSync, mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { FrameLocator, Page } from 'playwright-core';
import { afterEach } from 'vitest';
import { cacheDir } from './cache';
import { projectRoot, sampleFolder, temporaryFolder } from './files';
import { screenshotOfFailure } from './screenshots';
import { startVsCode, type VsCode } from './vscodeServer';
import { frontFrame, openFile, waitForExtension } from './workbench';

/** Whether there is a VS Code to drive. */
export const hasServer = existsSync(join(cacheDir('vscode-server-4.139.1'), 'node_modules'));
if (!hasServer) console.warn('UI tests are skipped: run node scripts/setup-tests.mjs first.');

/** An empty folder of the sample's name, by which editors, outputs and pictures call the model. */
export function sampleWorkspace(): string {
  const folder = join(temporaryFolder(), basename(sampleFolder));
  mkdirSync(folder);
  return folder;
}

/**
 * The sample in the editor of a real VS Code.
 * @param workspace a folder that the sample is copied into; `prepare` adds to it before VS Code starts.
 * @param wait milliseconds until its tensors must be there.
 */
export async function openSample(
  workspace: string,
  wait: number,
  prepare: () => Promise<void> | void = () => undefined,
) {
  cpSync(sampleFolder, workspace, { recursive: true });
  await prepare();
  const code: VsCode = await startVsCode({ folder: workspace, extensionPath: projectRoot });
  const { page } = code;
  await waitForExtension(page);
  return { code, page, frame: await openModelFile(page, 'model.safetensors', wait) };
}

/**
 * A file of the workspace in an editor.
 * @param wait milliseconds until its tensors must be there.
 */
export async function openModelFile(page: Page, name: string, wait: number): Promise<FrameLocator> {
  await openFile(page, name);
  const frame = frontFrame(page);
  await frame.locator('.tree .row.tensor').first().waitFor({ timeout: wait });
  return frame;
}

/** Takes a picture of what a failed test left, and closes what it left open, so that the next one does not fail for it. */
export function keepFailures(suite: string, page: () => Page): void {
  afterEach(async ({ task }) => {
    if (task.result?.state !== 'fail') return;
    await screenshotOfFailure(page(), suite, task.name);
    await page().keyboard.press('Escape');
  });
}
