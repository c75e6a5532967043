import { cpSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasGpuRuntime } from '../../src/protocol/gpuRuntime';
import { projectRoot, sampleFolder, temporaryFolder, writeFile } from '../support/files';
import { hasServer, keepFailures, openModelFile } from '../support/sampleEditor';
import { startVsCode, type VsCode } from '../support/vscodeServer';
import { isOffered, openFile, waitForExtension } from '../support/workbench';

const wait = 120_000;

/** Commands that do not always make sense. */
const commands = {
  cancel: 'Quantscope: Cancel Job',
  forget: 'Quantscope: Forget Tokens of Remote Models',
  install: 'Quantscope: Install GPU Runtime…',
  plan: 'Quantscope: Open in Plan Page',
  remove: 'Quantscope: Remove GPU Runtime',
  refresh: 'Quantscope: Refresh Models',
  save: 'Quantscope: Save AMPQ Plan…',
} as const;
const ofMachine = hasGpuRuntime(process) ? ['install'] : [];

describe.skipIf(!hasServer)('the command palette', () => {
  let code: VsCode;
  let page: Page;
  const workspace = temporaryFolder();

  beforeAll(async () => {
    cpSync(sampleFolder, workspace, { recursive: true });
    writeFile(workspace, 'a.ampq.json', '{}');
    code = await startVsCode({ folder: workspace, extensionPath: projectRoot });
    page = code.page;
    await waitForExtension(page);
  });

  keepFailures('palette', () => page);

  afterAll(async () => {
    await code.close();
  });

  /** Those of the commands above that the palette offers, in the order of their names. */
  async function offered(): Promise<string[]> {
    const found: string[] = [];
    for (const [name, title] of Object.entries(commands)) if (await isOffered(page, title)) found.push(name);
    return found;
  }

  it('offers what there is something for, in front of nothing, a JSON file, a plan and a model', async () => {
    // Until the extension is active, it is not known what there is.
    await expect.poll(offered, { timeout: wait }).toEqual([...ofMachine, 'refresh']);
    await openFile(page, 'config.json');
    expect(await offered()).toEqual([...ofMachine, 'refresh']);
    await openFile(page, 'a.ampq.json');
    expect(await offered()).toEqual([...ofMachine, 'plan', 'refresh']);
    await openModelFile(page, 'model.safetensors', wait);
    await expect.poll(offered, { timeout: wait }).toEqual([...ofMachine, 'refresh', 'save']);
  });
});
