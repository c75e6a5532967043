import { cpSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gpuPackage } from '../../src/engine/gpuRuntime/offer';
import { bundledRuntime } from '../../src/graph/runtimeLibraries';
import { projectRoot, sampleFolder, temporaryFolder } from '../support/files';
import { servePackage, type PackageSource } from '../support/packageSource';
import { hasServer, keepFailures } from '../support/sampleEditor';
import { screenshot } from '../support/screenshots';
import { buildStandIns } from '../support/standInProvider';
import { startVsCode, type VsCode } from '../support/vscodeServer';
import { openFile, isOffered, runCommand, waitForExtension } from '../support/workbench';

const supported = process.platform === 'linux' && process.arch === 'x64';
/** Chromium's Vulkan on the CPU. */
const chromium = '/usr/lib/chromium';
const driver = join(chromium, 'vk_swiftshader_icd.json');

const wait = 120_000;

describe.skipIf(!hasServer || !supported)('the GPU runtime in VS Code', () => {
  let code: VsCode;
  let page: Page;
  let source: PackageSource;
  const version = bundledRuntime()?.version ?? '';

  beforeAll(async () => {
    const { provider, bridge } = buildStandIns(temporaryFolder());
    const [providerPath, bridgePath] = gpuPackage.libraries;
    source = await servePackage(
      gpuPackage.id,
      version,
      new Map([
        [providerPath!, provider],
        [bridgePath!, bridge],
      ]),
    );
    const workspace = temporaryFolder();
    cpSync(sampleFolder, workspace, { recursive: true });
    code = await startVsCode({
      folder: workspace,
      extensionPath: projectRoot,
      env: {
        ...{ QUANTSCOPE_NUGET_INDEX: source.index, QUANTSCOPE_CACHE: temporaryFolder() },
        ...{ LD_LIBRARY_PATH: chromium, VK_ICD_FILENAMES: driver },
      },
    });
    page = code.page;
    await waitForExtension(page);
    await openFile(page, 'model.safetensors');
    await statusBar('native addon').waitFor({ timeout: wait });
  });

  keepFailures('gpu-runtime', () => page);

  afterAll(async () => {
    await code.close();
  });

  const statusBar = (text: string): Locator => page.locator('.statusbar-item', { hasText: text }).first();
  /** Waits for a notification; the workbench under a test driver shows them in their list only. */
  async function notified(text: RegExp): Promise<void> {
    await expect
      .poll(
        async () => {
          await runCommand(page, 'Notifications: Show Notifications');
          return page.locator('.notifications-center').innerText();
        },
        { timeout: wait, interval: 500 },
      )
      .toMatch(text);
    await runCommand(page, 'Notifications: Clear All Notifications');
  }
  const dialog = (): Locator => page.locator('.monaco-dialog-box');

  it('is downloaded only after the user agreed to the dialog that describes it', async () => {
    await runCommand(page, 'Quantscope: Install GPU Runtime…');
    await dialog().waitFor({ timeout: wait });
    const text = await dialog().innerText();
    expect(text).toContain(`Download ONNX Runtime's CUDA libraries ${version}`);
    expect(text).toMatch(
      /Source: package Microsoft\.ML\.OnnxRuntime\.Gpu\.Linux [\s\S]*On disk: [\s\S]*cuDNN 9/,
    );
    await screenshot(page, 'gpu-runtime-consent');
    await dialog().getByRole('button', { name: 'Cancel' }).click();
    await dialog().waitFor({ state: 'hidden' });
    expect(source.asked).not.toContain('/package.nupkg');
  });

  it('is installed, and a new probe of the device names what CUDA lacks', async () => {
    await runCommand(page, 'Quantscope: Install GPU Runtime…');
    await dialog().getByRole('button', { name: 'Download and Install' }).click({ timeout: wait });
    await notified(/CUDA libraries [\d.]+ are installed\. .*needs CUDA 12 \(libcublas/);
    expect(source.asked).toContain('/package.nupkg');
    await statusBar('native addon').hover({ timeout: wait });
    await page
      .locator('.workbench-hover', { hasText: /cuda rejected: .*needs CUDA 12 .*cuDNN 9/ })
      .waitFor({ timeout: wait });
    await screenshot(page, 'gpu-runtime-refused');
  });

  it('is removed', async () => {
    await runCommand(page, 'Quantscope: Remove GPU Runtime');
    await notified(/The GPU runtime was removed and 4\d\.\d+ MB were freed/);
    await expect.poll(() => isOffered(page, 'Quantscope: Remove GPU Runtime')).toBe(false);
  });

  it.skipIf(!existsSync(driver))(
    'software renderers are accepted with the setting, immediately',
    async () => {
      await statusBar('native addon').waitFor({ timeout: wait });
      code.updateMachineSettings({ 'quantscope.allowSoftwareGpu': true });
      await statusBar('WebGPU (SwiftShader)').waitFor({ timeout: wait });
      code.updateMachineSettings({ 'quantscope.allowSoftwareGpu': false });
      await statusBar('native addon').waitFor({ timeout: wait });
    },
  );
});
