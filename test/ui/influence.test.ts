import type { FrameLocator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { enginePids } from '../support/engineProcesses';
import { gridRows, rowCount } from '../support/grid';
import { hasServer, keepFailures, openSample, sampleWorkspace } from '../support/sampleEditor';
import { screenshot } from '../support/screenshots';
import type { VsCode } from '../support/vscodeServer';
import { openPage, runCommand, setTheme } from '../support/workbench';

/** The sample is run over a text for each of its 44 matrices (ms). */
const wait = 180_000;

describe.skipIf(!hasServer)('sensitivity over a text', () => {
  let code: VsCode;
  let page: Page;
  let frame: FrameLocator;
  const workspace = sampleWorkspace();

  beforeAll(async () => {
    ({ code, page, frame } = await openSample(workspace, wait));
  });

  keepFailures('influence', () => page);

  afterAll(async () => {
    await code.close();
  });

  const choices = () => page.locator('.quick-input-list .monaco-list-row');
  const caption = () => frame.locator('.sensitivity p.caption:not(.rung-line)').innerText();
  const shown = () => frame.getByLabel('What the table shows');

  const grid = () => frame.locator('.sensitivity .grid');

  /** Numbers of a column of the table, by tensor; those below the noise as 0. */
  async function column(format: string): Promise<Map<string, number>> {
    const rows = await gridRows(grid());
    return new Map(
      rows.map(({ data, cells }) => [
        data['tensor']!,
        cells[format]! === '< noise' ? 0 : Number(cells[format]!.replaceAll('−', '-')),
      ]),
    );
  }

  it('suggests the texts next to the model and measures over the chosen one', async () => {
    await openPage(frame, 'Plan', 'Sensitivity');
    await expect.poll(() => frame.locator('.view .empty').innerText()).toContain('Run Sensitivity');
    await frame.getByRole('button', { name: 'Run over a Text…' }).click();
    await choices().nth(2).waitFor({ timeout: wait });
    const labels = await choices().locator('.label-name').allInnerTexts();
    expect(labels.map((label) => label.trim())).toEqual([
      'generated-calibration.txt',
      'generated-eval.txt',
      'Choose a File…',
    ]);
    await page.keyboard.press('Enter'); // the first
    await frame
      .locator('.job', { hasText: 'Sensitivity over generated-calibration.txt' })
      .waitFor({ timeout: wait });
    // The toolkit's buttons say so a frame later than the rest.
    await frame
      .locator('vscode-button[disabled]', { hasText: 'Run over a Text…' })
      .waitFor({ timeout: wait });
    await frame.locator('.job', { hasText: 'influence on the output: block' }).waitFor({ timeout: wait });
    await frame.getByLabel('Group tensors').selectOption('none', { timeout: wait });
    await expect.poll(() => rowCount(grid()), { timeout: wait }).toBe(44);
    // Until the run over the text is over, the table shows the errors of the weights.
    await expect
      .poll(caption, { timeout: wait })
      .toMatch(/^Predicted KL divergence .* over 2,048 tokens of generated-calibration\.txt; 44 tensors\.$/);
  });

  it('shows how each tensor affects the output in each format', async () => {
    const [small, large] = [await column('Q2_K'), await column('Q4_K')];
    expect(large.size).toBe(44);
    const output = large.get('output.weight')!;
    expect(output).toBeGreaterThan(0.001);
    expect(output).toBeLessThan(0.003);
    expect(Math.max(...large.values())).toBe(output);
    for (const [tensor, influence] of large) expect(small.get(tensor)!, tensor).toBeGreaterThan(influence);
    await screenshot(page, 'influence-dark');
    // Names stay where they are while the formats scroll past them.
    const place = async (what: string) => (await grid().locator(what).boundingBox())!;
    const name = '[data-tensor="output.weight"] > .grid-name';
    const [left, top] = [(await place(name)).x, (await place('.grid-head')).y];
    await grid().evaluate((element) => element.scrollTo(element.scrollWidth, 48));
    expect(await grid().evaluate((element) => element.scrollLeft)).toBeGreaterThan(50);
    expect((await grid().locator('.grid-row[data-line] > .grid-name').first().boundingBox())!.x).toBe(left);
    expect((await place('.grid-head')).y).toBe(top);
    await screenshot(page, 'influence-scrolled');
    await grid().evaluate((element) => element.scrollTo(0, 0));
    await shown().selectOption('error');
    expect(await caption()).toMatch(/^Signal-to-quantization-noise ratio \(SQNR\) in dB/);
    expect((await column('Q4_K')).get('output.weight')).toBeGreaterThan(20);
    await shown().selectOption('influence');
    expect(await column('Q4_K')).toEqual(large);
  });

  it('plans by the expected divergence, and shows the share of each tensor', async () => {
    await openPage(frame, 'Plan', 'Plan');
    const plan = frame.locator('.plan .grid');
    await frame.getByLabel('Group tensors').selectOption('none', { timeout: wait });
    await expect.poll(() => rowCount(plan), { timeout: wait }).toBe(44);
    const expected = async (): Promise<number> => {
      const text = await frame
        .locator('.totals div', { hasText: 'predicted KL divergence' })
        .locator('dd')
        .first() // that of the plan; the other is the preset's
        .innerText();
      return Number.parseFloat(text.replaceAll('−', '-'));
    };
    const first = await expected();
    expect(first).toBeGreaterThan(1e-4);
    expect(first).toBeLessThan(2e-3);
    const rows = await gridRows(plan);
    const shares = rows.map(({ cells: { share = '' } }) =>
      share.startsWith('<') ? 0 : Number(share.replace(' %', '')),
    );
    expect(Math.abs(shares.reduce((a, b) => a + b, 0) - 100)).toBeLessThan(5); // they are rounded
    // The output matrix, which the output depends on most, gets more bits than most.
    const output = rows.find(({ data }) => data['tensor'] === 'output.weight')!;
    expect(['Q6_K', 'Q8_0']).toContain(output.data['format']);
    await frame.locator('#budget').focus();
    for (let i = 0; i < 40; i++) await page.keyboard.press('ArrowRight');
    await expect.poll(expected, { timeout: wait }).toBeLessThan(0.9 * first);
    // The tree follows when the slider rests: both show one plan.
    const embedding = async (): Promise<boolean> => {
      const found = (await gridRows(plan)).find(({ data }) => data['tensor'] === 'token_embd.weight')!;
      const row = frame.locator('[role=treegrid] [role=row]', { hasText: 'embed_tokens' });
      return (await row.innerText()).trimEnd().endsWith(found.data['format']!);
    };
    await expect.poll(embedding, { timeout: wait }).toBe(true);
    await screenshot(page, 'plan-influence-dark');
  });

  it('looks right in a light theme', async () => {
    await setTheme(page, 'light');
    await screenshot(page, 'plan-influence-light');
    await openPage(frame, 'Plan', 'Sensitivity');
    await screenshot(page, 'influence-light');
    const ink = await shown().evaluate((element) => getComputedStyle(element).color);
    const [red = 255] = ink.match(/\d+/g)!.map(Number);
    expect(red).toBeLessThan(128); // dark text on a light ground
  });

  it('resumes with the same text after the engine was killed', async () => {
    await runCommand(page, 'Quantscope: Run Sensitivity over a Text…');
    await choices().nth(2).waitFor({ timeout: wait });
    await choices().filter({ hasText: 'generated-eval.txt' }).click();
    await frame
      .locator('.job', { hasText: 'Sensitivity over generated-eval.txt' })
      .waitFor({ timeout: wait });
    for (const pid of enginePids()) process.kill(pid, 'SIGKILL');
    await frame.getByText('Restart and Resume').click({ timeout: wait });
    await expect.poll(caption, { timeout: wait }).toContain('2,048 tokens of generated-eval.txt');
    expect(await frame.locator('.notice.error').count()).toBe(0);
  });
});
