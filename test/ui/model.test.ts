import type { FrameLocator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasServer, keepFailures, openSample, sampleWorkspace } from '../support/sampleEditor';
import { screenshot } from '../support/screenshots';
import type { VsCode } from '../support/vscodeServer';
import { goToCell, makeNarrow, openPage, overflowOf, runCommand, setTheme } from '../support/workbench';

const wait = 120_000;

describe.skipIf(!hasServer)('the page about the whole model', () => {
  let code: VsCode;
  let page: Page;
  let frame: FrameLocator;

  beforeAll(async () => {
    ({ code, page, frame } = await openSample(sampleWorkspace(), wait));
  });

  keepFailures('model', () => page);

  afterAll(async () => {
    await code.close();
  });

  const view = () => frame.locator('.model-page');
  const box = (tensor: string) => view().locator(`.block-diagram .box[data-tensor="${tensor}"]`);

  it('is what an editor opens with: the model in numbers', async () => {
    await view().locator('.identity').waitFor({ timeout: wait });
    const facts = await view().locator('.identity > div').allInnerTexts();
    expect(facts.map((fact) => fact.replace('\n', ' '))).toEqual(
      expect.arrayContaining(['Layers 6', 'Heads 4, 2 for keys and values', 'Context 256 tokens']),
    );
    await page.setViewportSize({ width: 1440, height: 1280 });
    await runCommand(page, 'View: Toggle Primary Side Bar Visibility');
    await screenshot(page, 'model-dark');
  });

  it('has one block whose boxes open the tensors of the chosen layer, by click and by key', async () => {
    expect(await box('model.layers.0.self_attn.q_proj.weight').textContent()).toContain('256 × 256');
    await view().getByLabel('Layer whose tensors the boxes open').selectOption('4');
    await box('model.layers.4.mlp.down_proj.weight').focus();
    await page.keyboard.press('Enter');
    await frame.locator('.view h2', { hasText: 'model.layers.4.mlp.down_proj.weight' }).waitFor();
    await openPage(frame, 'Model');
  });

  it('shows where the bytes are, and filters the tree by a part of them', async () => {
    await view().locator('.treemap .cell', { hasText: 'down' }).first().click();
    await expect.poll(() => frame.locator('.tree .filter-status').innerText()).toMatch(/^6 of 57/);
    const forms = view().getByRole('radiogroup', { name: 'Map or table', exact: true });
    await forms.getByRole('radio', { name: 'Table' }).click();
    const row = view().locator('.shares tr', { hasText: 'lm_head' });
    expect((await row.innerText()).split(/\t/)).toEqual([
      ...['lm_head Output', 'BF16', '1', '262 k', '524.29 kB', '16.0', '5.0 %'],
    ]);
    await view().getByRole('button', { name: 'Save or copy: Where the bytes are' }).click();
    await frame.getByRole('menuitem', { name: 'Save as PNG…' }).click();
    await frame.locator('.notice.error', { hasText: 'no chart is drawn now' }).waitFor();
    await forms.getByRole('radio', { name: 'Map' }).click();
  });

  it('says what the model takes of a memory, in any format', async () => {
    const fits = view().locator('.fits');
    const total = () => fits.locator('.memory-text strong').innerText();
    await expect.poll(total).toBe('15.87 MB together');
    await fits.getByLabel('Format of the weights').selectOption('type Q4_K_M');
    await expect.poll(total).toBe('8.52 MB together');
    await fits.getByLabel('Type of keys and values').selectOption('q8_0');
    await expect.poll(total).toBe('8.15 MB together');
    await fits.locator('vscode-text-field input').first().fill('8 MB');
    await expect.poll(() => fits.getByRole('status').innerText()).toBe('153.60 kB too much');
    expect(await fits.locator('.devices tr', { hasText: 'RTX 4090' }).innerText()).toContain('✓');
    await fits.getByLabel('Format of the weights').selectOption('stored');
  });

  it('scans the model, and shows its figures by layer and role and as a table', async () => {
    const figures = view().getByRole('radiogroup', { name: 'Figure' });
    await figures.getByRole('radio', { name: 'Absmax' }).click();
    await view().getByRole('button', { name: 'Scan the Model' }).click();
    await expect.poll(() => view().locator('.figure-status').count(), { timeout: wait }).toBe(0);
    await goToCell(frame, 'mlp.down_proj, layer 0');
    const words = await view().locator('.layer-map-words').innerText();
    expect(words).toMatch(/^mlp\.down_proj, layer 0: absmax 0\.\d+$/);
    await view().getByRole('radiogroup', { name: 'Map or table of layers' }).getByText('Table').click();
    const grid = view().getByRole('grid', { name: 'Figures of tensors' });
    await expect.poll(() => grid.getByRole('row').count()).toBeGreaterThan(5);
    expect(await grid.innerText()).toContain(words.split(' ').at(-1));
    expect(await grid.textContent()).toContain('embed_tokens'); // a name is in parts
    await view().getByRole('radiogroup', { name: 'Map or table of layers' }).getByText('Map').click();
    await view().locator('.layer-map').scrollIntoViewIfNeeded();
    await screenshot(page, 'model-layers-dark');
    await goToCell(frame, 'mlp.down_proj, layer 3');
    await page.keyboard.press('Enter');
    await frame.locator('.view h2', { hasText: 'model.layers.3.mlp.down_proj.weight' }).waitFor();
    await openPage(frame, 'Model');
  });

  it('is as wide as a narrow window, and the same in a light theme', async () => {
    await setTheme(page, 'light');
    await frame.locator('.tree vscode-text-field input').fill('');
    await view().locator('.identity').scrollIntoViewIfNeeded();
    await screenshot(page, 'model-light');
    await makeNarrow(page, frame);
    expect(await overflowOf(frame.locator('.view'))).toBeLessThanOrEqual(1);
    await screenshot(page, 'model-narrow-light');
  });
});
