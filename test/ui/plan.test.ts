import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FrameLocator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { assignmentDigest } from '../../src/ampq/assignmentDigest';
import { exportGguf } from '../../src/exporter/exportGguf';
import { openModel } from '../../src/layouts/openModel';
import type { Certificate } from '../../src/protocol/certificate';
import type { Plan } from '../../src/protocol/plan';
import { sampleFolder, temporaryFolder } from '../support/files';
import { gridRows, rowCount } from '../support/grid';
import { hasServer, keepFailures, openSample } from '../support/sampleEditor';
import { screenshot } from '../support/screenshots';
import type { VsCode } from '../support/vscodeServer';
import { acceptFile, goToCell, makeNarrow, overflowOf, saveFileAs, setTheme } from '../support/workbench';

/** The sample is run over a text for each of its 44 matrices (ms). */
const wait = 180_000;

describe.skipIf(!hasServer)('the plan page', () => {
  let code: VsCode;
  let page: Page;
  let frame: FrameLocator;
  const workspace = temporaryFolder();

  beforeAll(async () => {
    ({ code, page, frame } = await openSample(workspace, wait, async () => {
      const model = await openModel(sampleFolder);
      await exportGguf(model, { type: 'Q4_K_M' }, join(workspace, 'theirs.gguf'));
      await model.close();
    }));
    await frame.getByRole('tab', { name: 'Plan' }).click();
    await frame.locator('.view').getByRole('button', { name: 'Run Sensitivity' }).click();
    await frame.getByText('best plans by predicted KL divergence').waitFor({ timeout: wait });
  });

  keepFailures('plan', () => page);

  afterAll(async () => {
    await code.close();
  });

  const grid = () => frame.locator('.plan .grid');
  const budget = () => frame.getByRole('slider', { name: 'Budget on the front' });
  const bits = async (): Promise<number> => Number(await budget().getAttribute('aria-valuenow'));
  const total = async (): Promise<number> => Number(await frame.locator('.totals dd').first().innerText());
  const toTop = () => frame.locator('.front').scrollIntoViewIfNeeded();
  const why = () => frame.getByRole('region', { name: 'Why this format' });
  const formats = async () =>
    new Map((await gridRows(grid())).map(({ data }) => [data['tensor']!, data['format']!]));

  it('shows the best plans of all sizes, the presets and the plan', async () => {
    expect(await frame.locator('.front-plot').getAttribute('aria-label')).toMatch(
      /^Size and predicted KL divergence of the best plans and of \d+ presets$/,
    );
    const drawn = () =>
      frame
        .locator('.front-plot.js-plotly-plot')
        .evaluate((element) => (element as unknown as { data: readonly unknown[] }).data.length);
    expect(await drawn()).toBe(3);
    expect(await frame.locator('.front-plot .annotation-text').allTextContents()).toEqual(
      expect.arrayContaining(['Q2_K', 'Q6_K']),
    );
    await screenshot(page, 'plan-page-dark');
  });

  it('takes a budget by dragging, by keys, and from a preset', async () => {
    const box = (await budget().boundingBox())!;
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    const before = await bits();
    await page.mouse.move(x, y);
    await page.mouse.down();
    await page.mouse.move(x + 40, y, { steps: 4 });
    await page.mouse.up();
    const dragged = await bits();
    expect(dragged).toBeGreaterThan(before + 0.3);
    await expect.poll(total).toBeGreaterThan(dragged - 0.1);
    expect(await total()).toBeLessThanOrEqual(dragged + 0.005);
    await budget().focus();
    await page.keyboard.press('ArrowLeft');
    expect(await bits()).toBeCloseTo(dragged - 0.01, 9);
    await page.keyboard.press('Home');
    expect(await budget().getAttribute('aria-valuetext')).toMatch(/^2\.63 bits per weight, 1\.7\d MB$/);
    await expect.poll(total).toBeLessThan(2.64);
    await page.keyboard.press('PageUp');
    expect(await bits()).toBeCloseTo(2.88, 9);
    // At few bits other gains are better, once they are measured.
    await expect.poll(total).toBeGreaterThan(2.8);
    const predicted = frame
      .locator('.totals div', { hasText: 'predicted KL divergence' })
      .locator('dd')
      .first();
    const usual = await predicted.innerText();
    await frame.getByRole('button', { name: 'Measure Them' }).click();
    await expect
      .poll(() => frame.getByRole('button', { name: 'Measure Them' }).count(), { timeout: wait })
      .toBe(0);
    await expect.poll(() => predicted.innerText()).not.toBe(usual);
  });

  it('finds the largest plan that fits into a memory with its context', async () => {
    const memory = frame.getByLabel('Memory that llama.cpp may take').locator('input');
    await memory.fill('16 MB');
    await frame.getByLabel('Tokens of context').locator('input').fill('2048');
    await frame.getByLabel('Type of keys and values').selectOption('q8_0');
    await page.keyboard.press('Enter');
    // 6 layers with 256 numbers for each of 2,048 tokens.
    await frame.getByText(/3\.34 MB of keys and values, .* for 2,048 tokens/).waitFor();
    const weights = Number(/([\d.]+) MB of weights/.exec(await frame.locator('.dial-found').innerText())![1]);
    expect(weights).toBeLessThan(16 - 3.34);
    await frame.getByLabel('Memory of the GPU').locator('input').fill('12 MB');
    await page.keyboard.press('Enter');
    await frame
      .getByText(/^In the GPU [\d.]+ MB of weights, .*; in RAM .* -ngl \d+ --no-op-offload$/)
      .waitFor();
    await frame.locator('.dial-found').scrollIntoViewIfNeeded();
    await screenshot(page, 'plan-fits-dark');
  });

  it('finds the smallest plan for a divergence', async () => {
    await frame.getByLabel('KL divergence at most, nats per token').locator('input').fill('0.001');
    await page.keyboard.press('Enter');
    const divergence = async (): Promise<number> =>
      Number(
        await frame
          .locator('.totals div', { hasText: 'predicted KL divergence' })
          .locator('dd')
          .first()
          .innerText(),
      );
    await expect.poll(divergence).toBeGreaterThan(0.00098);
    expect(await divergence()).toBeLessThanOrEqual(0.001);
  });

  it('no longer says what fits once the plan has another size', async () => {
    await expect.poll(() => frame.locator('.dial-found').count()).toBe(0);
  });

  it('says why a tensor has its format, and pins it to another', async () => {
    await frame.getByLabel('Group tensors').selectOption('none');
    await expect.poll(() => rowCount(grid())).toBe(44);
    await goToCell(frame, 'attn_v, layer 2');
    await page.keyboard.press('Enter');
    await why().waitFor();
    const planned = (await formats()).get('blk.2.attn_v.weight')!;
    const sentence = await why().locator('strong').innerText();
    expect(sentence).toMatch(
      /^blk\.2\.attn_v\.weight is \w+\. The runner-up \w+ takes [\d.]+ [kM]?B (more|less) and (saves|costs)/,
    );
    expect(sentence).toContain(`is ${planned}.`);
    const price = why().locator(`tr[data-format="${planned}"] td`).nth(4);
    expect(await price.innerText()).toBe('0');
    await screenshot(page, 'plan-why-dark');
    const other = planned === 'Q8_0' ? 'Q6_K' : 'Q8_0';
    await why()
      .getByRole('button', { name: `Pin to ${other}` })
      .click();
    await expect.poll(async () => (await formats()).get('blk.2.attn_v.weight')).toBe(other);
    await expect
      .poll(() => frame.locator('.constraints').innerText())
      .toContain(`^blk\\.2\\.attn_v\\.weight$: only ${other}`);
    await goToCell(frame, 'attn_v, layer 2');
    expect(await frame.locator('.layer-map-words').innerText()).toContain(', pinned');
    await why().getByRole('button', { name: 'Release' }).click();
    await expect.poll(() => frame.locator('.constraints').count()).toBe(0);
  });

  it('pins, excludes and releases by keys and by the menu', async () => {
    const row = grid().locator('[data-tensor="blk.0.attn_q.weight"]');
    const format = async () => (await formats()).get('blk.0.attn_q.weight');
    const own = (await format())!;
    await row.click();
    await grid().focus();
    await page.keyboard.press('x');
    await expect.poll(format).not.toBe(own);
    await page.keyboard.press('p');
    await expect.poll(() => frame.locator('.constraints li').count()).toBe(1);
    await expect.poll(() => row.getAttribute('data-pinned')).toBe('true');
    await page.keyboard.press('r');
    await expect.poll(() => frame.locator('.constraints').count()).toBe(0);
    await row.click({ button: 'right' });
    await page.getByRole('menuitem', { name: 'Pin Format…' }).waitFor();
    await page.keyboard.press('ArrowDown'); // its first item
    await page.keyboard.press('Enter');
    const choices = page.locator('.quick-input-list .monaco-list-row');
    await choices.filter({ hasText: 'Q8_0' }).click();
    await expect.poll(format).toBe('Q8_0');
    await screenshot(page, 'plan-pinned-dark');
    await frame.getByRole('button', { name: /^Remove: / }).click();
    await expect.poll(format).toBe(own);
  });

  it('compares the plan with a preset, tensor by tensor', async () => {
    await frame.getByLabel('Compare with').selectOption('Q4_K_M');
    await expect
      .poll(() => frame.locator('.plan-diff').innerText())
      .toMatch(
        /^\d+ tensors of 44 have another format in Q4_K_M \(3\.1\d MB, predicted KL divergence 0\.00\d+\)\.$/,
      );
    const rows = await gridRows(grid());
    const changed = rows.filter(({ data }) => data['format'] !== data['other']);
    expect(await frame.locator('.plan-diff').innerText()).toMatch(new RegExp(`^${changed.length} tensors`));
    for (const { data, cells } of rows)
      expect(cells['other'], data['tensor']).toBe(data['format'] === data['other'] ? 'same' : data['other']);
    await grid().scrollIntoViewIfNeeded();
    await screenshot(page, 'plan-diff-dark');
    await frame.getByLabel('Compare with').selectOption('');
    await expect.poll(() => frame.locator('.plan-diff').count()).toBe(0);
  });

  it('shows what was measured of plans next to the model', async () => {
    await frame.getByRole('button', { name: 'Save Plan…' }).click();
    const file = join(workspace, 'best.ampq.json');
    await saveFileAs(page, 'bpw.ampq.json', file);
    await expect.poll(() => existsSync(file)).toBe(true);
    const plan = JSON.parse(readFileSync(file, 'utf8')) as Plan;
    writeFileSync(file, JSON.stringify({ ...plan, certificate: certificateOf(plan) }));
    const row = frame.locator('.measured-plans tbody tr');
    await expect
      .poll(() => row.innerText(), { timeout: wait })
      .toMatch(
        /^best\.ampq\.json\t3\.\d+ MB\t0\.00100 gains over a text\t0\.00110 ± 0\.00005\t95\.0 %\teval\.txt, 2,048 tokens\tShow$/,
      );
    await expect
      .poll(() => frame.locator('.front-legend').innerText())
      .toContain('measured, with 95 % intervals');
    await toTop();
    await screenshot(page, 'plan-measured-dark');
  });

  it('beats the file of somebody else, and shows the difference', async () => {
    await toTop();
    await frame.getByRole('button', { name: 'Beat a File…' }).click();
    await acceptFile(page, 'theirs.gguf');
    await expect
      .poll(() => frame.locator('.plan-diff').innerText(), { timeout: wait })
      .toMatch(
        /^\d+ tensors of 44 have another format in theirs\.gguf \(3\.1\d MB, predicted KL divergence 0\.00\d+\)\.$/,
      );
    await screenshot(page, 'plan-beat-dark');
  });

  it('measures the plan as a whole, with the file, presets and a random assignment', async () => {
    const measure = frame.locator('.measure-plan');
    await measure.locator('summary').click();
    await expect.poll(() => measure.innerText(), { timeout: wait }).toContain('generated-eval.txt');
    await measure.locator('vscode-text-field[aria-label="Windows of the measurement"] input').fill('8');
    await measure.getByRole('button', { name: 'Measure', exact: true }).click();
    const rows = frame.locator('.certified tbody tr');
    await expect.poll(() => rows.count(), { timeout: wait }).toBeGreaterThan(3);
    const names = await rows.locator('th').allInnerTexts();
    expect(names[0]).toBe('plan');
    expect(names).toEqual(expect.arrayContaining(['theirs.gguf']));
    expect(names.at(-1)).toMatch(/^random/);
    expect(await rows.nth(1).innerText()).toMatch(/ ± 0\.\d+\t−?[\d.]+ \(.* to .*\)\t.*%\t3\.1\d MB$/);
    await expect.poll(() => frame.locator('.verdict').innerText()).toMatch(/theirs\.gguf|Q\d/);
    const evidence = frame.locator('.plan-side .rung-line');
    expect(await evidence.innerText()).toMatch(
      /^Evidence: measured jointly gains over 2,048 tokens of generated-calibration\.txt$/,
    );
    // It is not in a file next to the model; what it was improved to can be shown again.
    await frame.locator('.measured-plans tr', { hasText: 'not saved' }).getByRole('button').waitFor();
    await frame.locator('.certified').scrollIntoViewIfNeeded();
    await screenshot(page, 'plan-certified-dark');
  });

  it('looks right in other themes and in a narrow window', async () => {
    await setTheme(page, 'contrast');
    await toTop();
    await screenshot(page, 'plan-page-contrast');
    await frame.locator('.why').scrollIntoViewIfNeeded();
    await screenshot(page, 'plan-why-contrast');
    await setTheme(page, 'light');
    await toTop();
    await screenshot(page, 'plan-page-light');
    await makeNarrow(page, frame);
    await toTop();
    expect(await overflowOf(frame.locator('.view'))).toBe(0);
    await screenshot(page, 'plan-page-narrow');
    await frame.locator('.layer-map').scrollIntoViewIfNeeded();
    await screenshot(page, 'plan-map-narrow');
  });
});

/** A measurement as `quantscope certify` keeps it. */
function certificateOf(plan: Plan): Certificate {
  const joint = (value: number) => ({
    ...{
      mean: { value, standardError: 5e-5 },
      median: value / 2,
      percentile99: 10 * value,
      sameTopToken: 0.95,
    },
  });
  const rival = {
    codes: 'reference',
    fileBytes: 3.2e6,
    difference: { value: -1e-3, low: -2e-3, high: -5e-4 },
  } as const;
  return {
    text: { file: 'eval.txt', hash: 'h', context: 256, windows: 8, tokens: 2048 },
    ...{
      assignments: assignmentDigest(plan),
      roundActivations: false,
      predicted: 1e-3,
      measured: joint(1.1e-3),
    },
    rivals: [
      { ...rival, kind: 'preset', name: 'Q4_K_S', measured: joint(2e-3) },
      { ...rival, kind: 'random', name: 'random', measured: joint(8e-3) },
    ],
    notCompared: [],
  };
}
