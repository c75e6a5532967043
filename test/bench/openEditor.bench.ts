/// <reference lib="dom" />
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { CDPSession, Page } from 'playwright-core';
import { largeMixture, writeMixture, type MixtureShape } from '../support/mixtureModel';
import { startVsCode } from '../support/vscodeServer';
import { frontFrame, openFile, runCommand, waitForExtension } from '../support/workbench';

/** npm run bench -- openEditor: opens models in a real VS Code and prints what that costs its renderer processes. */
const models: Readonly<Record<string, MixtureShape>> = {
  'a hundred tensors': { layers: 2, experts: 16, hidden: 64, expertHidden: 32 },
  '23,583 tensors': largeMixture,
};
const rounds = 3;
/** Renderers are at rest when they used less than this in `restTime`: cursors blink and status bars spin. */
const restCpu = 0.06;
const restTime = 1_500;

interface Opening {
  /** From the key press that opens the file until a row of the tree is there (s). */
  readonly firstRow: number;
  /** Processor time of all renderers until they rest (s). */
  readonly cpu: number;
  /** Elements of the page. */
  readonly nodes: number;
  /** From input in the filter until its rows are drawn (ms). */
  readonly filter: number;
  /** From a click on a group until its rows are drawn (ms). */
  readonly unfold: number;
}

async function measure(folder: string, file: string): Promise<Opening> {
  const code = await startVsCode({ folder, extensionPath: process.cwd() });
  try {
    const { page } = code;
    await waitForExtension(page);
    await measureSensitivity(page, file);
    const session = await page.context().browser()!.newBrowserCDPSession();
    await rest(page, session);
    const before = await rendererCpu(session);
    const start = performance.now();
    await openFile(page, file);
    await frontFrame(page).locator('.tree .row').first().waitFor({ timeout: 120_000 });
    const firstRow = (performance.now() - start) / 1000;
    await frontFrame(page).locator('.tree .badge').first().waitFor({ timeout: 120_000 }); // the plan
    await rest(page, session);
    const cpu = (await rendererCpu(session)) - before;
    const nodes = await frontFrame(page)
      .locator('body')
      .evaluate(() => document.querySelectorAll('*').length);
    return { firstRow, cpu, nodes, ...(await reactions(page)) };
  } finally {
    await code.close();
  }
}

/** How fast the page answers a filter and a click on a group. */
async function reactions(page: Page): Promise<Pick<Opening, 'filter' | 'unfold'>> {
  const frame = frontFrame(page);
  const filter = await frame
    .locator('.tree vscode-text-field input')
    .evaluate(async (input: HTMLInputElement) => {
      const start = performance.now();
      input.value = 'layers.7 down_proj';
      input.dispatchEvent(new Event('input', { bubbles: true }));
      await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
      return performance.now() - start;
    });
  await frame.locator('.tree vscode-text-field input').fill('');
  const group = frame.locator('.tree .row.group').last();
  const unfold = await group.evaluate(async (row: HTMLElement) => {
    const start = performance.now();
    row.click();
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    return performance.now() - start;
  });
  return { filter, unfold };
}

/** What earlier runs measured comes with the model. */
async function measureSensitivity(page: Page, file: string): Promise<void> {
  await openFile(page, file);
  await frontFrame(page).locator('.tree .row').first().waitFor({ timeout: 120_000 });
  await runCommand(page, 'Quantscope: Run Sensitivity');
  await frontFrame(page).locator('.tree .badge').first().waitFor({ timeout: 900_000 });
  await runCommand(page, 'View: Close Editor');
}

async function rendererCpu(session: CDPSession): Promise<number> {
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  return processInfo.filter(({ type }) => type === 'renderer').reduce((sum, { cpuTime }) => sum + cpuTime, 0);
}

async function rest(page: Page, session: CDPSession): Promise<void> {
  for (let last = -Infinity; ;) {
    const now = await rendererCpu(session);
    if (now - last < restCpu) return;
    last = now;
    await page.waitForTimeout(restTime);
  }
}

const root = mkdtempSync(join(tmpdir(), 'quantscope-bench-'));
try {
  for (const [name, shape] of Object.entries(models)) {
    const folder = mkdtempSync(join(root, 'model-'));
    const file = basename(writeMixture(folder, shape));
    const openings: Opening[] = [];
    for (let round = 0; round < rounds; round++) openings.push(await measure(folder, file));
    const best = (key: keyof Opening): number => Math.min(...openings.map((opening) => opening[key]));
    console.log(
      `${name}: first row after ${best('firstRow').toFixed(2)} s, renderers ${best('cpu').toFixed(2)} s of CPU, ` +
        `${best('nodes')} elements, filter ${best('filter').toFixed(0)} ms, unfold ${best('unfold').toFixed(0)} ms`,
    );
  }
} finally {
  rmSync(root, { recursive: true, force: true });
}
