/// <reference lib="dom" />
import { join } from 'node:path';
import type { FrameLocator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder, writeFile } from '../support/files';
import { longName, oddTensors, planted, quantizedTensor } from '../support/oddTensors';
import { hasServer, keepFailures, openModelFile, openSample } from '../support/sampleEditor';
import { screenshot } from '../support/screenshots';
import type { VsCode } from '../support/vscodeServer';
import { frontFrame, makeNarrow, overflowOf, runCommand, setTheme } from '../support/workbench';

const wait = 120_000;

describe.skipIf(!hasServer)('the Tensor page', () => {
  let code: VsCode;
  let page: Page;
  let frame: FrameLocator;
  const workspace = join(temporaryFolder(), 'tiny-shakespeare-llama');

  beforeAll(async () => {
    ({ code, page } = await openSample(workspace, wait, async () => {
      writeFile(workspace, 'odd.safetensors', oddTensors());
      writeFile(workspace, 'blocks.gguf', await quantizedTensor());
    }));
    frame = await openModelFile(page, 'odd.safetensors', wait);
    await runCommand(page, 'View: Toggle Primary Side Bar Visibility');
  });

  keepFailures('tensor', () => page);

  afterAll(async () => {
    await code.close();
  });

  const select = async (name: string): Promise<void> => {
    await frame.locator('.tree vscode-text-field input').fill(name);
    await frame.locator(`.rows .row[data-name="${name}"]`).click({ timeout: wait });
    await frame.getByRole('heading', { name }).waitFor({ timeout: wait });
  };
  const map = () => frame.locator('.map');
  const mapHead = () => frame.locator('.chart-frame', { has: map() }).locator('> p').innerText();
  const bars = (): Promise<number[]> =>
    frame
      .locator('.histogram.js-plotly-plot')
      .evaluate((element) => (element as unknown as { data: { y: number[] }[] }).data[0]!.y);
  const sharp = () => expect.poll(mapHead, { timeout: wait }).not.toContain('Reading');

  it('shows the map of a tensor, what stands out of it, and the value under the pointer', async () => {
    await select('planted.weight');
    await expect
      .poll(mapHead, { timeout: wait })
      .toMatch(/^Rows 0–511, columns 0–1023: the largest \|w\| of \d+ × \d+ weights per cell\./);
    await sharp();
    await expect
      .poll(() => frame.locator('.map-legend').innerText(), { timeout: wait })
      .toMatch(/6\.0 σ[^]*cells in sight, [\d,]+ weights \([\d.]+ %\) of the tensor/);
    await map().scrollIntoViewIfNeeded();
    const box = (await map().boundingBox())!;
    await page.mouse.move(box.x + 200, box.y + 100);
    await expect
      .poll(() => frame.locator('.map-callout').innerText())
      .toMatch(/^rows? [\d–]+, columns? [\d–]+: (max \|w\| )?−?[\d.e−]+, \d+\.\d σ$/);
  });

  it('zooms by wheel, drag, double click and keys, down to single weights', async () => {
    const goTo = async (text: string): Promise<void> =>
      frame.locator('.lines').getByText(text).first().click();
    await goTo(String(planted.row));
    await expect.poll(mapHead).toMatch(/^Rows 29–45, columns 0–1023/);
    await page.keyboard.press('Tab');
    await map().focus();
    for (let i = 0; i < 9; i++) await page.keyboard.press('+');
    await expect.poll(mapHead).toContain('one weight per cell');
    await sharp();
    await page.keyboard.press('Shift+ArrowDown');
    await expect
      .poll(() => frame.locator('.map-callout').innerText())
      .toMatch(/^row \d+, column \d+: −?[\d.e−]+, \d+\.\d σ$/);
    await screenshot(page, 'tensor-values-in-map-dark');
    const before = await mapHead();
    await page.keyboard.press('ArrowRight');
    await expect.poll(mapHead).not.toBe(before);
    await page.keyboard.press('Escape');
    await expect.poll(mapHead).toMatch(/^Rows 0–511, columns 0–1023/);
    const box = (await map().boundingBox())!;
    await page.mouse.move(box.x + 300, box.y + 150);
    await page.mouse.wheel(0, -500); // the map has the focus
    await expect.poll(mapHead).not.toMatch(/^Rows 0–511, columns 0–1023/);
    const zoomed = await mapHead();
    await page.mouse.down();
    await page.mouse.move(box.x + 200, box.y + 120, { steps: 4 });
    await page.mouse.up();
    await expect.poll(mapHead).not.toBe(zoomed);
    await frame.getByText('Whole Tensor').click();
    await expect.poll(mapHead).toMatch(/^Rows 0–511, columns 0–1023/);
  });

  it('zooms by a pinch of a touch pad, and by two fingers on a screen, whatever has the focus', async () => {
    await frame.getByRole('tab', { name: 'Tensor', exact: true }).focus();
    const box = (await map().boundingBox())!;
    const [x, y] = [box.x + 300, box.y + 150];
    await page.mouse.move(x, y);
    await page.mouse.wheel(0, -20); // the page scrolls
    await page.mouse.wheel(0, 20);
    expect(await mapHead()).toMatch(/^Rows 0–511, columns 0–1023/);
    await page.keyboard.down('Control'); // so that a pinch arrives
    await page.mouse.wheel(0, -20);
    await page.keyboard.up('Control');
    await expect.poll(mapHead).not.toMatch(/^Rows 0–511, columns 0–1023/);
    await frame.getByText('Whole Tensor').click();
    await expect.poll(mapHead).toMatch(/^Rows 0–511, columns 0–1023/);
    const browser = await page.context().newCDPSession(page);
    const fingers = (type: 'touchStart' | 'touchMove' | 'touchEnd', apart: number) =>
      browser.send('Input.dispatchTouchEvent', {
        type,
        touchPoints: type === 'touchEnd' ? [] : [apart, -apart].map((dx, id) => ({ x: x + dx, y, id })),
      });
    await fingers('touchStart', 20);
    for (const apart of [30, 45, 60, 80]) await fingers('touchMove', apart);
    await fingers('touchEnd', 0);
    await expect.poll(mapHead).not.toMatch(/^Rows 0–511, columns 0–1023/);
    await frame.getByText('Whole Tensor').click();
    await expect.poll(mapHead).toMatch(/^Rows 0–511, columns 0–1023/);
  });

  it('draws rows and columns as curves; a click on one shows it in the map', async () => {
    const curves = frame.locator('.line-profile');
    await expect.poll(() => curves.count()).toBe(2);
    expect(await curves.first().getAttribute('aria-label')).toMatch(
      /^max \|w\| and RMS by row over 512 rows\. Outstanding: row 451 \(0\.7500\), /,
    );
    const named = () => curves.first().locator('.textpoint text').allTextContents();
    await expect.poll(named).toContain('451');
    const box = (await curves.first().locator('.nsewdrag').first().boundingBox())!;
    await page.mouse.click(box.x + (451.5 / 512) * box.width, box.y + 4);
    await expect.poll(mapHead).toMatch(/^Rows 443–459, /);
    await frame.getByText('Whole Tensor').click();
    const outliers = frame.locator('.lines section', { hasText: 'beyond' });
    expect(await outliers.innerText()).toMatch(
      /6 × RMS\s+[\d,]+\s+[<\d.]+ [^]*columns have weights beyond 6 × RMS/,
    );
    await screenshot(page, 'tensor-lines-dark');
  });

  it('counts a range of the histogram in bins of its own, with the values of a format over it', async () => {
    const histogram = frame.locator('.chart-frame', { has: frame.locator('.histogram') });
    const head = () => histogram.locator('> p').innerText();
    await histogram.getByLabel('Number of bins').selectOption('500');
    await expect.poll(async () => (await bars()).length, { timeout: wait }).toBe(500);
    await histogram.getByLabel('Format whose values').selectOption('Q4_K');
    await expect
      .poll(head, { timeout: wait })
      .toMatch(
        /^Q4_K has 16 values, those of the group with the median scale \([\d.e−]+\) of [\d,]+ sampled groups\.$/,
      );
    await histogram.scrollIntoViewIfNeeded();
    const plot = (await histogram.locator('.nsewdrag').first().boundingBox())!;
    await page.mouse.move(plot.x + 0.5 * plot.width, plot.y + 60);
    await page.mouse.down();
    await page.mouse.move(plot.x + 0.65 * plot.width, plot.y + 60, { steps: 5 });
    await page.mouse.up();
    await expect
      .poll(head, { timeout: wait })
      .toMatch(/^From −?[\d.]+ to 0\.1\d+; [\d,]+ weights below and [\d,]+ weights above\. Q4_K/);
    expect((await bars()).length).toBe(500);
    await screenshot(page, 'tensor-histogram-dark');
    await frame.getByRole('group', { name: 'Histogram.' }).focus();
    await page.keyboard.press('+');
    await expect.poll(head, { timeout: wait }).toMatch(/^From −?[\d.]+ to 0\.05\d*; /);
    await page.keyboard.press('Escape');
    await expect.poll(head).toMatch(/^Q4_K/);
    await histogram.getByLabel('Format whose values').selectOption('');
    await histogram.getByLabel('Number of bins').selectOption('200');
    await expect.poll(async () => (await bars()).length, { timeout: wait }).toBe(200);
  });

  it('shows the values of any slice and copies them for other programs', async () => {
    const values = frame.locator('.values');
    const field = values.locator('vscode-text-field input');
    const cells = () => values.locator('tbody tr').first().locator('th, td').allInnerTexts();
    await field.fill('450:453, 56:60');
    await expect.poll(() => values.locator('thead th').allInnerTexts()).toEqual(['', '56', '57', '58', '59']);
    await values.locator('tbody tr').nth(1).locator('td').nth(2).scrollIntoViewIfNeeded();
    await expect
      .poll(() => values.locator('tbody tr').nth(1).locator('th, td').allInnerTexts(), { timeout: wait })
      .toEqual(expect.arrayContaining(['451', '−0.75000']));
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    const copied = () => page.evaluate(() => navigator.clipboard.readText());
    await values.getByText('Copy as CSV').click();
    await expect.poll(copied).toMatch(/^row,56,57,58,59\n450,[^]*\n451,[^,]*,[^,]*,-0\.75,[^,]*\n452,/);
    await values.getByText('Copy as NumPy').click();
    await expect.poll(copied).toMatch(/^np\.array\(\[\[[^]*, -0\.75, [^]*dtype=np\.float32\)\n$/);
    await field.fill('600');
    await expect
      .poll(() => values.locator('.filter-status').innerText())
      .toBe('Dimension 0: there is no index 600; there are 512.');
    await field.fill('');
    await values.locator('.values-grid').evaluate((element) => element.scrollTo(1e9, 1e9));
    await expect.poll(() => values.locator('tbody th').last().innerText()).toBe('511');
    await expect.poll(() => values.locator('thead th').last().innerText()).toBe('1023');
    await screenshot(page, 'tensor-values-dark');
    await select('experts.weight');
    await expect.poll(cells, { timeout: wait }).toEqual(expect.arrayContaining(['0, 0']));
    await field.fill('2, 1:, 3:5');
    await expect.poll(async () => (await cells())[0]).toBe('2, 1');
    await select('tall.weight');
    await values.locator('.values-grid').evaluate((element) => element.scrollTo(0, 1e9));
    await expect.poll(() => values.locator('tbody th').last().innerText()).toBe('999999');
    await screenshot(page, 'tensor-tall-values-dark');
  });

  it('shows tensors of any shape', async () => {
    for (const name of [
      'scalar',
      'vector.bias',
      'constant.weight',
      'nan.weight',
      'empty.weight',
      'flat.weight',
      'tall.weight',
      longName,
    ]) {
      await select(name);
      await frame.locator('.statistic-groups').waitFor({ timeout: wait });
      await screenshot(page, `tensor-${name.slice(0, 12)}-dark`);
    }
  });

  it('shows scales, minimums and factors of the blocks of a GGUF file', async () => {
    const blocks = await openModelFile(page, 'blocks.gguf', wait);
    await blocks.locator('.rows .row[data-name="blk.0.ffn_up.weight"]').click({ timeout: wait });
    const stored = blocks.locator('.stored');
    await stored.locator('.group-map.factor-of-minimums.js-plotly-plot').waitFor({ timeout: wait });
    expect(await stored.locator('.parts tbody th').allInnerTexts()).toEqual([
      ...['d (factor of scales)', 'dmin (factor of minimums)', 'scales and minimums', 'codes', 'together'],
    ]);
    expect(await stored.innerText()).toMatch(
      /16 of 16 levels are used\. Saturated: [\d.]+ % at the lowest \(0\)/,
    );
    await stored.locator('.group-maps').evaluate((element) => element.scrollIntoView());
    await screenshot(page, 'tensor-blocks-dark');
    await page.keyboard.press('Control+w');
    frame = frontFrame(page);
  });

  it('is shown in both themes and in a narrow panel', async () => {
    frame = await openModelFile(page, 'model.safetensors', wait);
    const name = 'model.layers.0.mlp.down_proj.weight';
    await select(name);
    await frame.locator('.tree vscode-text-field input').fill('');
    await frame.getByLabel('Format whose values').selectOption('Q4_K');
    await frame.getByText('Q4_K has 16 values').waitFor({ timeout: wait });
    await sharp();
    await screenshot(page, 'tensor-dark');
    await map().evaluate((element) => element.scrollIntoView());
    await screenshot(page, 'tensor-map-dark');
    await setTheme(page, 'light');
    await screenshot(page, 'tensor-map-light');
    await frame.getByRole('heading', { name }).scrollIntoViewIfNeeded();
    await screenshot(page, 'tensor-light');
    await makeNarrow(page, frame);
    expect(await overflowOf(frame.locator('.view'))).toBeLessThanOrEqual(0);
    await screenshot(page, 'tensor-narrow');
  });
});
