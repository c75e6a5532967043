/// <reference lib="dom" />
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FrameLocator, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { safetensorsBytes, writeFile } from '../support/files';
import { killNextJob } from '../support/engineProcesses';
import { gridRows, rowCount } from '../support/grid';
import { hasServer, keepFailures, openSample, sampleWorkspace } from '../support/sampleEditor';
import { screenshot } from '../support/screenshots';
import type { VsCode } from '../support/vscodeServer';
import { acceptFile, chooseFromMenu, frontFrame, openFile, openPage, setTheme } from '../support/workbench';

/** What plotly keeps on the element it draws into. */
interface Drawn {
  readonly type: string;
  readonly x: number[];
  readonly y: number[];
}

const wait = 120_000;

describe.skipIf(!hasServer)('the editor in VS Code', () => {
  let code: VsCode;
  let page: Page;
  let frame: FrameLocator;
  const workspace = sampleWorkspace();

  beforeAll(async () => {
    ({ code, page, frame } = await openSample(workspace, wait, () => {
      copyFileSync(join(workspace, 'model.safetensors'), join(workspace, 'again.safetensors'));
    }));
  });

  keepFailures('editor', () => page);

  afterAll(async () => {
    await code.close();
  });

  const row = (name: string) => frame.locator(`.rows .row[data-name="${name}"]`);
  const tab = (name: string) => frame.getByRole('tab', { name }).click();
  const drawn = (selector: string): Promise<Drawn[]> =>
    frame
      .locator(`${selector}.js-plotly-plot`)
      .first()
      .evaluate((element) => (element as unknown as { data: Drawn[] }).data);

  /** Opens a menu, again where VS Code has swallowed the click or key: it does while a page is drawn. */
  async function openMenu(open: () => Promise<void>, name: string): Promise<void> {
    const item = page.getByRole('menuitem', { name });
    const opened = async (): Promise<number> => {
      await open();
      await item.waitFor({ timeout: 5_000 }).catch(() => undefined);
      return item.count();
    };
    await expect.poll(opened, { timeout: wait }).toBe(1);
  }

  /** Presses keys in a grid that takes the focus first: VS Code moves it some time after a menu has closed. */
  const pressIn =
    (grid: Locator, ...keys: readonly string[]) =>
    async (): Promise<void> => {
      await grid.focus();
      for (const key of keys) await page.keyboard.press(key);
    };

  async function closeMenu(name: string): Promise<void> {
    await page.keyboard.press('Escape');
    await page.getByRole('menuitem', { name }).waitFor({ state: 'detached', timeout: wait });
  }

  /** Takes the formats that the quick pick has ticked. */
  async function acceptPick(): Promise<void> {
    await page.locator('.quick-input-list .monaco-list-row').first().waitFor({ timeout: wait });
    await page.locator('.quick-input-widget').getByRole('button', { name: 'OK' }).click({ timeout: wait });
  }

  it('shows the tensors of the sample by module, in order of execution', async () => {
    await expect
      .poll(
        () =>
          row('model.layers.')
            .innerText()
            .catch(() => ''),
        { timeout: wait },
      )
      .toMatch(/layers\s+× 6/);
    const embedding = row('model.embed_tokens.weight');
    const cells = await embedding.locator('[role=gridcell]').allTextContents(); // those without room too
    expect(cells).toEqual(['embed_tokens.weight', '1024 × 256', 'BF16', '262 k', '524.29 kB', '16.0']);
    const names = await frame
      .locator('.rows .row')
      .evaluateAll((rows) => rows.slice(0, 6).map((item) => item.getAttribute('data-name')));
    expect(names.slice(0, 4)).toEqual([
      'model.embed_tokens.weight',
      ...['', '0.', '0.input_layernorm.weight'].map((path) => `model.layers.${path}`),
    ]);
    const visible = await frame.locator('.rows .row').count();
    expect(visible).toBeGreaterThan(15);
    expect(visible).toBeLessThan(70); // only the rows in sight exist
  });

  it('filters by words, negation, globs and regular expressions', async () => {
    const filter = frame.locator('.tree vscode-text-field input');
    const matches = () => frame.locator('.tree .filter-status').innerText();
    await filter.fill('down_proj bf16');
    await expect.poll(matches).toBe('6 of 57 tensors');
    await filter.fill('q_proj & !layers.0');
    await expect.poll(matches).toBe('5 of 57 tensors');
    await filter.fill('*.mlp.*');
    await expect.poll(matches).toBe('18 of 57 tensors');
    await filter.fill('/layers\\.[01]\\.mlp/');
    await expect.poll(matches).toBe('6 of 57 tensors');
    await filter.fill('(q_proj');
    await expect.poll(() => frame.locator('.tree .filter-status').innerText()).toBe('A “(” is not closed.');
    await filter.fill('nothing-like-this');
    await expect.poll(() => frame.locator('.rows .empty').innerText()).toContain('No tensor matches');
    await filter.fill('');
    await expect.poll(matches).toBe('57 tensors');
  });

  it('sorts by a column and puts roles of all layers together', async () => {
    const names = () =>
      frame
        .locator('.rows .row')
        .evaluateAll((rows) => rows.slice(0, 2).map((item) => item.getAttribute('data-name')));
    const order = frame.getByRole('combobox', { name: 'Order of the tensors' });
    await order.selectOption('none');
    await frame.getByRole('button', { name: 'Size' }).click();
    await expect.poll(names).toEqual(['model.embed_tokens.weight', 'lm_head.weight']);
    await frame.getByRole('button', { name: 'Size' }).click();
    await expect.poll(async () => (await names())[0]).toBe('model.layers.0.input_layernorm.weight');
    await frame.getByRole('button', { name: 'Size' }).click();
    await order.selectOption('role');
    await expect
      .poll(() => row('model.layers.self_attn.q_proj.weight.').locator('[role=gridcell]').allTextContents())
      .toEqual(['self_attn.q_proj.weight× 6', '6 of 256 × 256', 'BF16', '393 k', '786.43 kB', '16.0']);
    await order.selectOption('layer');
  });

  it('can be navigated with the keyboard', async () => {
    await row('model.embed_tokens.weight').click();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowLeft');
    await expect.poll(() => row('model.layers.').getAttribute('aria-expanded')).toBe('false');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    await expect
      .poll(() => frame.locator('.row.tensor.selected').getAttribute('data-name'))
      .toBe('lm_head.weight');
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('ArrowRight');
    await expect.poll(() => row('model.layers.').getAttribute('aria-expanded')).toBe('true');
  });

  it('opens the menu of a row from the keyboard', async () => {
    await row('model.layers.0.self_attn.k_proj.weight').click();
    for (const key of ['Shift+F10', 'ContextMenu']) {
      await openMenu(pressIn(frame.locator('.tree-grid'), key), 'Quantize Layer…');
      await closeMenu('Quantize Layer…');
    }
  });

  it('copies names with Ctrl+C', async () => {
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    const copied = async (): Promise<string> => {
      await page.keyboard.press('Control+c');
      return page.evaluate(() => navigator.clipboard.readText());
    };
    await row('model.layers.0.self_attn.k_proj.weight').click();
    await page.keyboard.press('Shift+ArrowDown');
    await expect
      .poll(copied)
      .toBe(['k', 'v'].map((part) => `model.layers.0.self_attn.${part}_proj.weight`).join('\n'));
    await row('model.layers.0.mlp.').click();
    await expect.poll(copied).toBe('model.layers.0.mlp');
    await row('model.layers.0.mlp.').click();
  });

  it('extends a range from where it began', async () => {
    await row('model.layers.0.mlp.gate_proj.weight').click();
    await page.keyboard.press('Shift+ArrowDown');
    await page.keyboard.press('Shift+ArrowDown');
    const chosen = () =>
      frame
        .locator('.row.tensor.selected')
        .evaluateAll((rows) => rows.map((item) => item.getAttribute('data-name')));
    await expect
      .poll(chosen)
      .toEqual(['gate', 'up', 'down'].map((part) => `model.layers.0.mlp.${part}_proj.weight`));
    await page.keyboard.press('Shift+ArrowUp');
    await expect.poll(async () => (await chosen()).length).toBe(2);
  });

  it('moves tabs and the splitter with the keyboard, and charts follow', async () => {
    await row('model.layers.0.mlp.down_proj.weight').click();
    await frame.locator('.histogram .bars path').first().waitFor({ timeout: wait });
    const width = () =>
      frame
        .locator('.histogram .main-svg')
        .first()
        .evaluate((svg) => svg.getBoundingClientRect().width);
    const before = await width();
    await frame.getByRole('separator').focus();
    for (let i = 0; i < 4; i++) await page.keyboard.press('ArrowLeft');
    await expect.poll(width).toBeGreaterThan(before + 30);
    for (let i = 0; i < 4; i++) await page.keyboard.press('ArrowRight');
    await expect.poll(width).toBeLessThan(before + 10);
    const isShown = (name: string) => frame.getByRole('tab', { name }).getAttribute('aria-selected');
    await frame.getByRole('tab', { name: 'Tensor' }).focus();
    await page.keyboard.press('End');
    await expect.poll(() => isShown('Export')).toBe('true');
    await page.keyboard.press('ArrowRight');
    await expect.poll(() => isShown('Model')).toBe('true');
    await page.keyboard.press('ArrowRight');
    await expect.poll(() => isShown('Tensor')).toBe('true');
  });

  it('draws the histogram of every weight of the selected tensor', async () => {
    await row('model.layers.0.mlp.down_proj.weight').click();
    await frame
      .getByRole('heading', { name: 'model.layers.0.mlp.down_proj.weight' })
      .waitFor({ timeout: wait });
    await frame.locator('.histogram .bars path').first().waitFor({ timeout: wait });
    const [histogram] = await drawn('.histogram');
    expect(histogram!.type).toBe('bar');
    expect(histogram!.y.reduce((sum, count) => sum + count, 0)).toBe(256 * 768);
    const logarithmic = await frame
      .locator('.histogram')
      .evaluate(
        (element) => (element as unknown as { layout: { yaxis: { type: string } } }).layout.yaxis.type,
      );
    expect(logarithmic).toBe('log');
    await frame.getByRole('radio', { name: 'linear' }).click();
    await expect
      .poll(() =>
        frame
          .locator('.histogram')
          .evaluate(
            (element) => (element as unknown as { layout: { yaxis: { type: string } } }).layout.yaxis.type,
          ),
      )
      .toBe('linear');
    await frame.getByRole('radio', { name: 'log' }).click();
  });

  it('shows config.json in the metadata', async () => {
    await screenshot(page, 'editor-dark');
    await tab('Model');
    await expect.poll(() => frame.locator('.view').innerText()).toMatch(/hidden_size\s+number\s+256/);
    await tab('Tensor');
  });

  it('takes all tensors of a group to Quantize Layer', async () => {
    await row('model.layers.0.mlp.').click({ button: 'right' });
    await chooseFromMenu(page, 'Quantize Layer…');
    const formats = page.locator('.quick-input-list .monaco-list-row');
    await formats.filter({ hasText: 'GGUF Q4_0' }).waitFor({ timeout: wait });
    await screenshot(page, 'formats-dark');
    await page.locator('.quick-input-widget .quick-input-box input').fill('IQ4_XS');
    await formats.filter({ hasText: 'GGUF IQ4_XS' }).click();
    await acceptPick();
    const grid = frame.locator('.quantize .grid');
    await expect.poll(() => grid.count(), { timeout: wait }).toBe(1);
    expect((await gridRows(grid)).map(({ data }) => data['tensor'])).toEqual(
      ['gate', 'up', 'down'].map((part) => `model.layers.0.mlp.${part}_proj.weight`),
    );
  });

  it('takes several selected tensors to Quantize Layer', async () => {
    await row('model.layers.0.self_attn.k_proj.weight').click();
    await row('model.layers.0.self_attn.q_proj.weight').click({ modifiers: ['Control'] });
    await row('model.layers.0.self_attn.q_proj.weight').click({ button: 'right' });
    await chooseFromMenu(page, 'Quantize Layer…');
    await acceptPick();
    const grid = frame.locator('.quantize .grid');
    await frame.locator('.quantize vscode-button:not([disabled])', { hasText: 'Save 2 Tensors…' }).waitFor({
      timeout: wait,
    });
    expect((await gridRows(grid)).map(({ data }) => data['tensor'])).toEqual([
      'model.layers.0.self_attn.k_proj.weight',
      'model.layers.0.self_attn.q_proj.weight',
    ]);
    // One of them in another format: the totals follow.
    const bits = async (): Promise<number> =>
      Number(await frame.locator('.quantize .totals dd').nth(2).innerText());
    await frame.getByLabel('Format of all tensors').selectOption('Q4_0');
    await expect.poll(bits).toBe(4.5);
    await frame.getByLabel('Format of model.layers.0.self_attn.q_proj.weight').selectOption('Q8_0');
    const [small, large] = [128 * 256, 256 * 256];
    await expect.poll(bits).toBeCloseTo((4.5 * small + 8.5 * large) / (small + large), 2);
    await frame.locator('.quantize .histogram .bars path').first().waitFor({ timeout: wait });
    const [before, after] = await drawn('.histogram');
    expect(before!.y.reduce((sum, count) => sum + count, 0)).toBe(small);
    expect(after!.y.reduce((sum, count) => sum + count, 0)).toBe(small);
    await screenshot(page, 'quantize-dark');
  });

  it('saves tensors in different formats into one file, which opens again decoded', async () => {
    await frame.getByRole('button', { name: 'Save 2 Tensors…' }).click();
    await acceptFile(page);
    await frame
      .locator('.written', { hasText: '2-tensors.quantized.safetensors' })
      .waitFor({ timeout: wait });
    await page.getByRole('treeitem', { name: '2-tensors.quantized.safetensors', exact: true }).dblclick();
    const second = frontFrame(page);
    const tensor = second.locator('.rows .row[data-name="model.layers.0.self_attn.q_proj.weight"]');
    await tensor.waitFor({ timeout: wait });
    expect(await tensor.innerText()).toMatch(/Q8_0\s+69\.63 kB/);
    await tensor.click();
    await second.locator('.histogram .bars path').first().waitFor({ timeout: wait });
    await openFile(page, 'model.safetensors');
  });

  it('shows a tensor that is selected alone by recipes, and goes back to several', async () => {
    await row('model.layers.0.mlp.up_proj.weight').click();
    await frame
      .locator('.lens h2', { hasText: 'model.layers.0.mlp.up_proj.weight' })
      .waitFor({ timeout: wait });
    await frame.locator('.lens-table .grid-row.chosen[data-grid="Q4_K"]').waitFor({ timeout: wait });
    await frame.getByRole('radio', { name: 'Several tensors' }).click();
    await frame.locator('.quantize vscode-button:not([disabled])', { hasText: 'Run Again' }).click();
    await frame.locator('.quantize vscode-button:not([disabled])', { hasText: 'Save 2 Tensors…' }).waitFor({
      timeout: wait,
    });
  });

  it('measures sensitivity and suggests formats', async () => {
    await openPage(frame, 'Plan', 'Sensitivity');
    await frame.getByText('Run Sensitivity').first().click();
    await frame.getByLabel('Group tensors').selectOption('none', { timeout: wait });
    await expect.poll(() => rowCount(frame.locator('.sensitivity .grid')), { timeout: wait }).toBe(44);
    await frame.getByLabel('What the table shows').selectOption('error', { timeout: 3 * wait }); // over a text
    const measured = await gridRows(frame.locator('.sensitivity .grid'));
    expect(measured.map(({ cells }) => Number(cells['Q8_0']) > Number(cells['Q4_K']))).toEqual(
      measured.map(() => true),
    );
    await frame.getByLabel('Group tensors').selectOption('layer');
    await expect.poll(() => frame.locator('.rows .badge').count(), { timeout: wait }).toBeGreaterThan(5);
    await screenshot(page, 'sensitivity-dark');
  });

  it('solves the plan again while the slider moves', async () => {
    await openPage(frame, 'Plan', 'Plan');
    const grid = frame.locator('.plan .grid');
    await frame.getByLabel('Group tensors').selectOption('none', { timeout: wait });
    await expect.poll(() => rowCount(grid), { timeout: wait }).toBe(44);
    const assigned = async () => (await gridRows(grid)).map(({ data }) => data['format']).join();
    const total = async (): Promise<number> => Number(await frame.locator('.totals dd').first().innerText());
    const slider = frame.locator('#budget');
    const setBudget = (value: number): Promise<void> =>
      slider.evaluate((element, budget) => {
        (element as HTMLInputElement).value = String(budget);
        element.dispatchEvent(new Event('input', { bubbles: true }));
      }, value);
    await setBudget(4.7);
    await expect.poll(total).toBeLessThanOrEqual(4.7);
    const small = await assigned();
    await setBudget(6);
    await expect.poll(total).toBeGreaterThan(5.9);
    expect(await total()).toBeLessThanOrEqual(6);
    expect(await assigned()).not.toBe(small);
    expect(await assigned()).toContain('Q6_K');
    const field = frame.locator('.budget vscode-text-field input');
    await field.fill('');
    await field.pressSequentially('5.4'); // key by key: the field must not rewrite itself
    expect(await field.inputValue()).toBe('5.4');
    await expect.poll(total).toBeLessThanOrEqual(5.4);
    await expect.poll(total).toBeGreaterThan(5.2);
    await field.fill('3.2 MB');
    const tensorData = () => frame.locator('.totals dd').nth(1).innerText();
    await expect.poll(tensorData).toMatch(/^3\.(19|20) MB$/);
    expect(await field.inputValue()).toBe('3.2 MB');
    await field.fill('1 MB'); // less than the smallest plan
    await expect
      .poll(() => frame.locator('.budget .wrong').innerText())
      .toMatch(/bits per weight, or 1\.7\d MB to 10\.5\d MB of tensor data$/);
    await setBudget(5.2);
    await expect.poll(total).toBeLessThanOrEqual(5.2);
    await screenshot(page, 'plan-dark');
  });

  it('opens the menu of tensors and groups of the plan, by mouse and by key', async () => {
    await frame.getByLabel('Group tensors').selectOption('layer');
    const grid = frame.locator('.plan .grid');
    const group = grid.locator('[data-group="layer 1"]');
    await openMenu(() => group.click({ button: 'right' }), 'Quantize Layer…');
    await closeMenu('Quantize Layer…');
    await openMenu(pressIn(grid, 'Home', 'Shift+F10'), 'Quantize Layer…');
    await closeMenu('Quantize Layer…');
    const context = JSON.parse((await grid.getAttribute('data-vscode-context'))!) as Record<string, unknown>;
    expect(context).toMatchObject({ webviewSection: 'tensor', quantscopeTensors: ['lm_head.weight'] });
  });

  it('offers a restart when the engine is killed in the middle of a job, and resumes', async () => {
    await openFile(page, 'again.safetensors');
    const second = frontFrame(page);
    await openPage(second, 'Plan', 'Sensitivity');
    await second.locator('.view').getByText('Run Sensitivity').first().waitFor({ timeout: wait });
    const killed = killNextJob(); // a model of this size is measured in a blink
    await second.locator('.view').getByText('Run Sensitivity').first().click();
    await killed;
    await second.getByText('Restart and Resume').waitFor({ timeout: wait });
    await screenshot(page, 'engine-died-dark');
    await second.getByText('Restart and Resume').click();
    await second.getByLabel('Group tensors').selectOption('none', { timeout: wait });
    await expect.poll(() => rowCount(second.locator('.sensitivity .grid')), { timeout: wait }).toBe(44);
    expect(await second.locator('.notice.error').count()).toBe(0);
  });

  it('shows a file that was rewritten in the same page, also after one that cannot be read', async () => {
    await openFile(page, 'again.safetensors');
    const second = frontFrame(page);
    await second.getByRole('tab', { name: 'Tensor' }).click();
    await second.locator('body').evaluate((body) => (body.dataset['page'] = 'first'));
    const again = (bytes: Uint8Array | string): string => writeFile(workspace, 'again.safetensors', bytes);
    again('torn');
    await second.getByText('The model cannot be opened').waitFor({ timeout: wait });
    // Four bytes of zeros are two weights of an otherwise empty model.
    again(safetensorsBytes({ 'fresh.weight': { dtype: 'F16', shape: [1, 2], data_offsets: [0, 4] } }, 4));
    await second.getByRole('heading', { name: 'fresh.weight' }).waitFor({ timeout: wait });
    await expect
      .poll(() => second.locator('.statistic-groups').innerText(), { timeout: wait })
      .toMatch(/kurtosis\s+not defined/);
    expect(await second.locator('body').evaluate((body) => body.dataset['page'])).toBe('first');
  });

  it('looks right in a light theme', async () => {
    await openFile(page, 'model.safetensors');
    await setTheme(page, 'light');
    const light = frontFrame(page);
    await openPage(light, 'Plan', 'Plan');
    await screenshot(page, 'plan-light');
    await openPage(light, 'Plan', 'Sensitivity');
    await screenshot(page, 'sensitivity-light');
    await openPage(light, 'Quantize', 'Several tensors');
    await screenshot(page, 'quantize-light');
    await light.getByRole('tab', { name: 'Tensor' }).click();
    await light.locator('.histogram .bars path').first().waitFor({ timeout: wait });
    await screenshot(page, 'editor-light');
    const ink = await light
      .locator('.histogram')
      .evaluate((element) => getComputedStyle(element.querySelector('.xtick text')!).fill);
    const [red = 255] = ink.match(/\d+/g)!.map(Number);
    expect(red).toBeLessThan(128); // dark text on a light ground
  });
});
