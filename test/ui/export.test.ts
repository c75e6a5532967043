import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { execPath } from 'node:process';
import type { FrameLocator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { projectRoot, temporaryFolder } from '../support/files';
import type { ExportPreview } from '../../src/protocol/export';
import { writeSyntheticGguf } from '../support/syntheticGguf';
import { hasServer, keepFailures, openSample, sampleWorkspace } from '../support/sampleEditor';
import { screenshot } from '../support/screenshots';
import type { VsCode } from '../support/vscodeServer';
import { acceptFile, openFile, runCommand, setTheme } from '../support/workbench';

const wait = 120_000;

describe.skipIf(!hasServer)('the export panel', () => {
  let code: VsCode;
  let page: Page;
  let frame: FrameLocator;
  const workspace = sampleWorkspace();
  const cache = temporaryFolder();
  const model = join(workspace, 'model.safetensors');

  beforeAll(async () => {
    ({ code, page, frame } = await openSample(workspace, wait, () => {
      const large = { architecture: 'llama', blocks: 430, heads: 8, kvHeads: 8, columns: 288 };
      return writeSyntheticGguf(join(workspace, 'large.gguf'), large);
    }));
    await frame.getByRole('tab', { name: 'Export' }).click();
    await frame.locator('.export .grid-row[data-tensor]').first().waitFor({ timeout: wait });
  });

  keepFailures('export', () => page);

  afterAll(async () => {
    await code.close();
  });

  const fileBytes = async (): Promise<number> =>
    Number(await frame.locator('.export .totals').getAttribute('data-bytes'));
  const row = (tensor: string) => frame.locator(`.export .grid-row[data-tensor="${tensor}"]`);

  function quantscope(...args: string[]): string {
    const env = { ...process.env, QUANTSCOPE_CACHE: cache };
    const program = join(projectRoot, 'dist', 'cli.mjs');
    return execFileSync(execPath, [program, ...args], { env, encoding: 'utf8', stdio: 'pipe' });
  }

  /** What the command line says about the same export; of Q4_K_M unless options say otherwise. */
  function dryRun(...options: string[]): ExportPreview {
    const isGiven = options.includes('--plan') || options.includes('--type');
    const target = isGiven ? [] : ['--type', 'Q4_K_M'];
    return JSON.parse(
      quantscope('export', model, ...target, '--dry-run', '--json', ...options),
    ) as ExportPreview;
  }

  const textField = (label: string) => frame.locator(`vscode-text-field[aria-label="${label}"] input`);

  it('previews Q4_K_M as the command line does: sizes, types and why', async () => {
    const expected = dryRun();
    await expect.poll(fileBytes).toBe(expected.fileBytes);
    expect(await frame.locator('.export .totals').innerText()).toMatch(/against Q4_K_M\s+the same size/);
    const drawn = await frame.locator('.export .grid-row[data-tensor]').all();
    // Only the rows in sight exist.
    expect(drawn.length).toBeGreaterThan(5);
    expect(drawn.length).toBeLessThan(expected.tensors.length);
    for (const [index, { name, from, to, reason }] of expected.tensors.slice(0, 8).entries()) {
      const cells = drawn[index]!.getByRole('gridcell');
      expect(await drawn[index]!.getByRole('rowheader').textContent()).toBe(name);
      expect(await cells.nth(0).innerText()).toBe(from);
      expect(await cells.nth(1).locator('.badge').innerText()).toBe(to);
      expect(await cells.nth(3).getAttribute('title')).toContain(reason);
    }
    const mixed = expected.tensors.filter(({ cause }) => cause === 'mixture').length;
    expect(await frame.locator('.legend').innerText()).toMatch(new RegExp(`mixture\\s+${mixed}`));
    await screenshot(page, 'export-dark');
  });

  it('gives one tensor another type in its row, and shows what differs', async () => {
    const tensor = 'blk.0.attn_k.weight';
    await row(tensor).getByRole('combobox').selectOption('Q8_0');
    await expect.poll(() => row(tensor).innerText()).toMatch(/Q4_K →\s*Q8_0[\s\S]*rule/);
    const expected = dryRun('--tensor-type', `^${tensor.replaceAll('.', '\\.')}$=Q8_0`);
    expect(await fileBytes()).toBe(expected.fileBytes);
    // 128 × 256 weights at 8.5 instead of 4.5 bits.
    expect(expected.dataBytes - expected.presetBytes).toBe((128 * 256 * 4) / 8);
    expect(await frame.locator('.export .totals').innerText()).toMatch(/\+16\.38 kB \(\+0\.52 %\)/);
    await frame.getByLabel(/Only differences/).check();
    await expect.poll(() => frame.locator('.export .grid-row[data-tensor]').count()).toBe(1);
    expect(await row(tensor).getAttribute('class')).toContain('differs');
    await frame.getByLabel(/Only differences/).uncheck();
    await row(tensor).getByRole('combobox').selectOption('no rule');
    await expect.poll(fileBytes).toBe(dryRun().fileBytes);
    await row(tensor).getByRole('combobox').selectOption('Q8_0');
    await expect.poll(fileBytes).toBe(expected.fileBytes);
  });

  it('can be navigated with the keyboard', async () => {
    await frame.getByRole('grid', { name: 'Tensors of the file' }).focus();
    await page.keyboard.press('End');
    const last = frame.locator('.export .grid-row.active');
    await expect.poll(() => last.getAttribute('data-tensor')).toBe(dryRun().tensors.at(-1)?.name);
    await page.keyboard.press('Enter');
    expect(await last.getByRole('combobox').evaluate((select) => select.matches(':focus'))).toBe(true);
    await page.keyboard.press('Escape');
    await page.keyboard.press('Home');
    await expect.poll(() => last.getAttribute('data-tensor')).toBe('output.weight');
  });

  it('says in place what is wrong, and keeps the settings', async () => {
    const notice = frame.locator('.export .notice.error');
    await textField('Pattern of tensor names').fill('ffn_(down');
    await frame.getByRole('button', { name: 'Add' }).click();
    await expect.poll(() => notice.innerText()).toMatch(/"ffn_\(down" .* is not a regular expression/);
    expect(await frame.locator('.export .totals.stale').count()).toBe(1);
    await frame.locator('.outcome vscode-button[disabled]').waitFor({ timeout: wait });
    await screenshot(page, 'export-error');
    await textField('Pattern of rule 2').fill('ffn_down');
    await expect.poll(() => notice.count()).toBe(0);
    await expect.poll(() => row('blk.0.ffn_down.weight').innerText()).toMatch(/Q4_K →\s*Q6_K/);
    const target = frame.getByLabel('File type');
    await target.selectOption('plan file');
    await expect.poll(() => notice.innerText()).toBe('Choose a plan file.');
    await target.selectOption('Q4_K_M');
    await expect.poll(() => notice.count()).toBe(0);
    // What needs an importance matrix cannot be chosen without one, a plan not before there is one.
    for (const value of ['IQ2_XXS', ''])
      expect(await target.locator(`option[value="${value}"]`).isDisabled()).toBe(true);
  });

  it('saves rules as a tensor-type file, and loads one', async () => {
    const saved = join(workspace, 'tensor-types.txt');
    await frame.getByRole('button', { name: 'Save…' }).click();
    await acceptFile(page);
    await expect.poll(() => existsSync(saved)).toBe(true);
    expect(readFileSync(saved, 'utf8')).toBe('^blk\\.0\\.attn_k\\.weight$=Q8_0\nffn_down=Q6_K\n');
    for (const rule of ['ffn_down', '^blk'])
      await frame.getByRole('button', { name: `Remove the rule ${rule}` }).click();
    const given = join(workspace, 'given-types.txt');
    writeFileSync(given, 'attn_v=q5_k ffn_up=IQ4_XS\n');
    await frame.getByRole('button', { name: 'Load…' }).click();
    await acceptFile(page, 'given-types.txt');
    await expect.poll(() => row('blk.0.attn_v.weight').innerText()).toMatch(/Q4_K →\s*Q5_K/);
    await expect.poll(fileBytes).toBe(dryRun('--tensor-type-file', given).fileBytes);
    await frame.getByRole('button', { name: 'Reset all' }).click();
    await expect.poll(fileBytes).toBe(dryRun().fileBytes);
  });

  it('needs an importance matrix for the small types, as long as there is none', async () => {
    const imatrix = join(workspace, 'importance.dat');
    writeFileSync(imatrix, importanceOf(dryRun().tensors));
    const target = frame.getByLabel('File type');
    await frame.getByRole('button', { name: 'Browse…' }).first().click();
    await acceptFile(page, 'importance.dat');
    await frame.locator('.field', { hasText: 'importance.dat' }).waitFor({ timeout: wait });
    await target.selectOption('IQ2_XXS');
    const expected = dryRun('--type', 'IQ2_XXS', '--imatrix', imatrix);
    await expect.poll(fileBytes).toBe(expected.fileBytes);
    await frame.getByRole('button', { name: 'Remove: Importance matrix' }).click();
    const notice = frame.locator('.export .notice.error');
    await expect.poll(() => notice.innerText()).toMatch(/IQ2_XXS needs an importance matrix/);
    expect(await target.inputValue()).toBe('IQ2_XXS');
    await target.selectOption('Q4_K_M');
    await expect.poll(fileBytes).toBe(dryRun().fileBytes);
  });

  it('chooses how codes are found, and says what is optimised', async () => {
    const [codes, target] = [frame.getByLabel('Codes', { exact: true }), frame.getByLabel('File type')];
    const fields = frame.locator('.export .options');
    await codes.selectOption('optimised');
    await expect
      .poll(() => frame.locator('.export .totals').innerText(), { timeout: wait })
      .toMatch(/optimised codes\s+\d+ tensors, ≈ \d+ s/);
    await frame.getByLabel('What optimised codes minimise').selectOption('one-sided');
    await frame.getByRole('button', { name: 'Browse… (Calibration text)' }).click();
    await acceptFile(page, 'generated-calibration.txt');
    await expect.poll(() => fields.innerText()).toContain('generated-calibration.txt');
    await textField('Calibration tokens').fill('many');
    const notice = frame.locator('.export .notice.error');
    await expect.poll(() => notice.innerText()).toMatch(/Calibration tokens: “many” is not a whole number/);
    await textField('Calibration tokens').fill('4096');
    await expect.poll(() => notice.count()).toBe(0);
    await screenshot(page, 'export-codes-dark');
    // Such codes need no importance matrix.
    await target.selectOption('IQ2_M');
    await expect.poll(() => fileBytes(), { timeout: wait }).toBeLessThan(dryRun().fileBytes);
    await target.selectOption('COPY');
    await expect.poll(() => codes.count()).toBe(0);
    await frame.getByRole('button', { name: 'Reset all' }).click();
    await expect.poll(fileBytes).toBe(dryRun().fileBytes);
  });

  it('applies options that are folded away, as the command line does', async () => {
    await frame.getByRole('button', { name: 'More options' }).click();
    const notice = frame.locator('.export .notice.error');
    const blocks = textField('Leave out blocks');
    await blocks.fill('99');
    await expect.poll(() => notice.innerText()).toMatch(/There is no block 99/);
    await blocks.fill('5');
    const overrides = frame.getByLabel('Overridden key-values');
    await overrides.fill('general.name=text:no such type');
    await expect.poll(() => notice.innerText()).toMatch(/is not an override/);
    await overrides.fill('general.name=str:a name that is longer than the one before');
    const expected = dryRun('--prune-layers', '5', '--override-kv', await overrides.inputValue());
    await expect.poll(fileBytes).toBe(expected.fileBytes);
    await frame.getByRole('button', { name: 'Reset all' }).click();
    await expect.poll(fileBytes).toBe(dryRun().fileBytes);
    await frame.getByRole('button', { name: 'More options' }).click();
  });

  it('shows what a plan file would write', async () => {
    const plan = join(workspace, 'mix.ampq.json');
    quantscope('recommend', model, '--budget', '5.5bpw', '--codes', 'reference', '--out', plan);
    await frame.getByLabel('File type').selectOption('plan file');
    await frame.getByRole('button', { name: 'Browse…' }).first().click();
    await acceptFile(page, 'mix.ampq.json');
    const expected = dryRun('--plan', plan);
    await expect.poll(fileBytes).toBe(expected.fileBytes);
    const planned = expected.tensors.filter(({ cause }) => cause === 'plan').length;
    expect(await frame.locator('.legend').innerText()).toMatch(new RegExp(`plan\\s+${planned}`));
    await screenshot(page, 'export-plan');
    await frame.getByRole('button', { name: 'Reset all' }).click();
    await expect.poll(fileBytes).toBe(dryRun().fileBytes);
  });

  it('splits, and keeps what was set while another tab is shown', async () => {
    await frame.getByLabel('Type of output.weight', { exact: true }).selectOption('Q8_0');
    await frame.getByRole('button', { name: 'More options' }).click();
    await frame.getByLabel('Split into files').selectOption('bytes');
    await textField('Megabytes per part').fill('1');
    const expected = dryRun('--output-tensor-type', 'Q8_0', '--split-max-size', '1M');
    expect(expected.files.length).toBeGreaterThan(2);
    const files = new RegExp(`${expected.files.length} files`);
    await expect.poll(() => frame.locator('.export .totals').innerText()).toMatch(files);
    expect(await fileBytes()).toBe(expected.fileBytes);
    await frame.getByRole('tab', { name: 'Model' }).click();
    await frame.getByRole('tab', { name: 'Export' }).click();
    await expect.poll(() => frame.locator('.export .totals').innerText()).toMatch(files);
    await setTheme(page, 'light');
    await screenshot(page, 'export-light');
    await frame.getByRole('button', { name: 'Reset all' }).click();
    await expect.poll(() => frame.locator('.export .totals').innerText()).not.toMatch(/files/);
  });

  it('writes exactly what it has shown', async () => {
    const bytes = await fileBytes();
    await frame.locator('.export').getByRole('button', { name: 'Export…' }).click();
    await acceptFile(page);
    const target = join(workspace, `${basename(workspace)}-Q4_K_M.gguf`);
    await expect.poll(() => existsSync(target), { timeout: wait }).toBe(true);
    expect(statSync(target).size).toBe(bytes);
  });

  it('opens from the command by "More options…"', async () => {
    await frame.getByRole('tab', { name: 'Tensor', exact: true }).click();
    await runCommand(page, 'Quantscope: Export GGUF…');
    const picker = page.locator('.quick-input-widget');
    await picker.locator('.monaco-list-row', { hasText: 'More options…' }).waitFor({ timeout: wait });
    await picker.locator('.quick-input-box input').fill('More options');
    await picker.locator('.monaco-list-row.focused', { hasText: 'More options…' }).waitFor({ timeout: wait });
    await page.keyboard.press('Enter');
    await expect
      .poll(() => frame.getByRole('tab', { name: 'Export' }).getAttribute('aria-selected'))
      .toBe('true');
  });

  it('fits a narrow editor', async () => {
    await page.setViewportSize({ width: 960, height: 900 }); // the editor is about 600 pixels wide
    await row('output.weight').waitFor();
    const overflow = await frame
      .locator('.export')
      .evaluate((panel) => panel.scrollWidth - panel.clientWidth);
    expect(overflow).toBeLessThanOrEqual(0);
    // Every page can be reached.
    expect(await frame.getByLabel('Page').locator('option').allInnerTexts()).toContain('Evaluate');
    await screenshot(page, 'export-narrow');
    await page.setViewportSize({ width: 500, height: 900 });
    // Names of GGUF are whole but for their suffix.
    const cut = (): Promise<number> =>
      frame
        .locator('.export .grid-row[data-tensor] :is(.middle-head, .middle-tail)')
        .evaluateAll((parts) => parts.filter((part) => part.scrollWidth > part.clientWidth).length);
    await expect.poll(cut).toBe(0);
  });

  it('draws only the visible rows of thousands of tensors, and shows which fell back to another type', async () => {
    await runCommand(page, 'View: Close All Editors');
    await page.setViewportSize({ width: 1440, height: 900 });
    await openFile(page, 'large.gguf');
    await frame.getByRole('tab', { name: 'Export' }).click();
    const tensor = 'blk.0.attn_k.weight';
    await row(tensor).waitFor({ timeout: wait });
    expect(await frame.locator('.export .grid-row[data-tensor]').count()).toBeLessThan(60);
    // The row length, 288, is not a multiple of 256.
    expect(await frame.locator('.legend .fallback').count()).toBe(1);
    expect(await frame.locator('.export .notice.warning').innerText()).toMatch(/given another type/);
    await row(tensor).getByRole('combobox').selectOption('Q8_0');
    await row(tensor).locator('.cause.rule').waitFor({ timeout: wait });
    await textField('Filter the tensors of the file').fill('blk.429.attn_v');
    await expect.poll(() => frame.locator('.export .grid-row[data-tensor]').count()).toBe(1);
    await textField('Filter the tensors of the file').fill('');
    await screenshot(page, 'export-large');
  });
});

/** An importance matrix (llama.cpp's older format) in which some columns count more than others. */
function importanceOf(tensors: ExportPreview['tensors']): Buffer {
  const matrices = tensors.filter(({ shape }) => shape.length === 2);
  const int = (value: number): Buffer => Buffer.from(Int32Array.of(value).buffer);
  const entries = matrices.flatMap(({ name, shape }) => [
    int(name.length),
    Buffer.from(name),
    int(1),
    int(shape[1]!),
    Buffer.from(Float32Array.from({ length: shape[1]! }, (_, column) => 1 + (column % 7)).buffer),
  ]);
  return Buffer.concat([int(matrices.length), ...entries]);
}
