/// <reference lib="dom" />
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openModel } from '../../src/layouts/openModel';
import { packModel } from '../../src/model/packTensors';
import { toColumns } from '../../src/protocol/columns';
import type { ModelDescription } from '../../src/protocol/model';
import { scanFigureNames, type ModelScan, type ScanFigureName } from '../../src/protocol/modelScan';
import type { SensitivityFigures } from '../../src/protocol/sensitivityFigures';
import { tabled } from '../../src/protocol/tensorTable';
import { leavesOf, buildTree } from '../../webview/tree';
import { temporaryFolder } from '../support/files';
import { hugeMixture, writeMixture } from '../support/mixtureModel';
import { openPage, type BrowserPage } from '../support/pageInBrowser';

describe('a model of a hundred thousand tensors', () => {
  let shown: BrowserPage;
  let model: ModelDescription;
  /** What the scan finds. */
  let largest = 40;

  beforeAll(async () => {
    const opened = await openModel(writeMixture(temporaryFolder(), hugeMixture));
    model = opened.description;
    await opened.close();
    shown = await openPage({
      ready: () => ({ model: packModel(model), revision: 1, formats: [], job: { kind: 'idle' } }),
      scanFigures: () => ({ revision: 1, scan: scanOf(model, largest), activity: { kind: 'idle' } }),
    });
  });

  afterAll(() => shown.close());

  it('is sorted by size, also within groups, and back in order of execution', async () => {
    const { page } = shown;
    const labels = (): Promise<string[]> => page.locator('.tree .rows .row .name').allInnerTexts();
    await page.locator('.tree .row').first().waitFor();
    const inOrder = await labels();
    await page.getByLabel('Sort by').selectOption('bytes');
    await expect.poll(async () => (await labels())[0]).toContain('layers');
    await page.getByLabel('Sort by').selectOption('');
    await expect.poll(labels).toEqual(inOrder);
  });

  it('has the columns that were chosen, with ranges on folded rows, draws rows whose figures change, and is sorted by them', async () => {
    const { page } = shown;
    const columns = page.getByRole('button', { name: 'Columns of the tree' });
    await columns.click();
    await page.getByRole('menuitemcheckbox', { name: 'Kurtosis' }).click();
    await page.getByRole('menuitemcheckbox', { name: 'Shape' }).click();
    await page.keyboard.press('Escape');
    const layers = page.locator('.tree .rows .row.group', { hasText: 'layers' }).first();
    await expect.poll(() => layers.locator('[role=gridcell]').last().innerText()).toBe('3.0–40');
    await page.locator('.tree .rows').evaluate((rows) => {
      const drawn = new Set<string>();
      new MutationObserver((found) => {
        for (const { target } of found)
          drawn.add(target.parentElement?.closest<HTMLElement>('.row')?.dataset['name'] ?? '');
      }).observe(rows, { subtree: true, childList: true, characterData: true, attributes: true });
      Object.assign(globalThis, { drawn });
    });
    largest = 50;
    shown.host.notify('scanned', { revision: 2 });
    await expect.poll(() => layers.locator('[role=gridcell]').last().innerText()).toBe('3.0–50');
    const drawn = await page.evaluate(() => [...(globalThis as unknown as { drawn: Set<string> }).drawn]);
    expect(drawn).toEqual(['model.layers.']); // no other row has another figure
    await page.getByLabel('Order of the tensors').selectOption('folded');
    await layers.click();
    const query = page.locator('.tree .rows .row.group', { hasText: 'q_proj' });
    await page.locator('.tree .rows .row.group', { hasText: 'self_attn' }).click();
    await expect.poll(() => query.locator('[role=gridcell]').last().innerText()).toBe('3.0–50');
    await layers.click();
    await page.getByLabel('Order of the tensors').selectOption('layer');
    const heads = () => page.locator('.tree .head [role=columnheader]').allTextContents();
    expect(await heads()).toEqual(['Name', 'Dtype', 'Params', 'Size', 'Bits', 'Kurtosis']);
    await page.locator('.tree .head').getByRole('button', { name: 'Kurtosis' }).click();
    await expect.poll(() => page.locator('.tree .rows .row .name').first().innerText()).toContain('layers');
    await columns.click();
    await page.getByRole('menuitem', { name: 'Usual columns' }).click();
    expect(await heads()).toEqual(['Name', 'Shape', 'Dtype', 'Params', 'Size', 'Bits']);
    await page.getByLabel('Sort by').selectOption('');
  });

  it('is scrolled to its end without a blank row, and every row is the right one', async () => {
    const { page } = shown;
    await page.locator('.tree .row').first().waitFor();
    await page.getByLabel('Order of the tensors').selectOption('none');
    const tree = buildTree(tabled(packModel(model)).table, 'none');
    const names = [...leavesOf(tree)].map(({ id }) => id);
    const grid = page.locator('.tree-grid');
    expect(await grid.getAttribute('aria-rowcount')).toBe(String(names.length + 1));
    const seen = await page.locator('.tree-grid').evaluate(async (scroller) => {
      const frame = (): Promise<number> => new Promise((done) => requestAnimationFrame(done));
      const wrong: string[] = [];
      const rows: [index: number, name: string][] = [];
      const head = scroller.querySelector('.head')!.clientHeight + 1;
      const isCovered = (): boolean => {
        const { top, bottom } = scroller.getBoundingClientRect();
        const boxes = [...scroller.querySelectorAll('.rows .row')].map((row) => row.getBoundingClientRect());
        return boxes.some((box) => box.top <= top + head) && boxes.some((box) => box.bottom >= bottom - 1);
      };
      const look = (what: string): void => {
        const drawn = [...scroller.querySelectorAll<HTMLElement>('.rows .row')];
        if (!isCovered()) wrong.push(`${what}: blank`);
        if (drawn.length > 120) wrong.push(`${what}: ${drawn.length} rows`);
        for (const row of drawn) rows.push([Number(row.dataset['index']), row.dataset['name'] ?? '']);
      };
      // As a wheel does, then as the bar does.
      for (let at = 0; at < 100; at++) {
        scroller.scrollTop += 100;
        await frame();
        look(`wheel ${at}`);
      }
      const jumps = 40;
      for (let jump = 0; jump <= jumps; jump++) {
        scroller.scrollTop = ((scroller.scrollHeight - scroller.clientHeight) * jump) / jumps;
        for (let waited = 0; waited < 10 && (waited < 2 || !isCovered()); waited++) await frame();
        look(`jump ${jump}`);
      }
      return { wrong, rows };
    });
    expect(seen.wrong).toEqual([]);
    for (const [index, name] of seen.rows) expect(name).toBe(names[index]);
    expect(Math.max(...seen.rows.map(([index]) => index))).toBe(names.length - 1);
  });
});

/** A scan of two tensors of the blocks. */
function scanOf({ tensors }: ModelDescription, largest: number): ModelScan {
  const names = tensors.map(({ name }) => name).filter((name) => name.includes('q_proj'));
  const ones = Object.fromEntries(scanFigureNames.map((figure) => [figure, [1, 1]]));
  const figures = { ...(ones as Record<ScanFigureName, number[]>), kurtosis: [3, largest] };
  return { tensors: tensors.length, names: names.slice(0, 2), figures };
}

describe('a table of eighteen thousand measured tensors', () => {
  let shown: BrowserPage;
  let revision = 1;
  const formats = ['Q2_K', 'Q3_K', 'Q4_K', 'Q5_K', 'Q6_K', 'Q8_0'];

  beforeAll(async () => {
    const opened = await openModel(
      writeMixture(temporaryFolder(), { layers: 48, experts: 128, hidden: 64, expertHidden: 32 }),
    );
    const { description } = opened;
    await opened.close();
    const names = description.tensors.filter(({ shape }) => shape.length > 1).map(({ name }) => name);
    /** Every revision has other figures of the first tensor. */
    const figures = (): SensitivityFigures => ({
      rows: toColumns(names.map((tensor) => ({ tensor, sources: [tensor], weights: 100, gain: 0.01 }))),
      formats: formats.map((format, i) => ({
        ...{ format, bitsPerWeight: i + 2 },
        errors: Float32Array.from(names, (_, row) => (row === 0 ? revision / 10 : 0.01)),
        maxErrors: new Float32Array(names.length).fill(0.1),
      })),
      ...{ measured: names.length, devices: ['cpu'], notes: [] },
    });
    shown = await openPage({
      ready: () => ({
        ...{ model: packModel(description), revision: 1, formats: [], job: { kind: 'idle' } },
        sensitivity: { revision, rung: 'weights', measuredWith: {} },
      }),
      sensitivityFigures: () => ({ revision, figures: figures() }),
    });
    const { page } = shown;
    await page.getByRole('tab', { name: 'Plan' }).click();
    await page.getByText('Sensitivity', { exact: true }).click();
    await page.getByLabel('Group tensors').selectOption('none');
    await page.locator('.sensitivity .grid-row').nth(20).waitFor();
  });

  afterAll(() => shown.close());

  interface Changes {
    /** All that the page wrote. Preact writes empty texts again whenever it draws them. */
    readonly written: number;
    /** Of nodes, texts and attributes. */
    readonly seen: number;
  }

  /** What the page changes in its rows while something happens. */
  async function changesWhile(happens: () => Promise<void>): Promise<Changes> {
    const rows = shown.page.locator('.sensitivity .grid-canvas');
    await rows.evaluate((element) => {
      const changes = { written: 0, seen: 0 };
      const isSeen = ({ type, target }: MutationRecord): boolean =>
        type !== 'characterData' || target.textContent !== '';
      new MutationObserver((found) => {
        changes.written += found.length;
        changes.seen += found.filter(isSeen).length;
      }).observe(element, { subtree: true, childList: true, characterData: true, attributes: true });
      Object.assign(globalThis, { changes });
    });
    await happens();
    return rows.evaluate(() => (globalThis as unknown as { changes: Changes }).changes);
  }

  it('has no more rows than are seen', async () => {
    expect(await shown.page.locator('.sensitivity .grid-row').count()).toBeLessThan(80);
  });

  it('is not drawn again by the progress of a run', async () => {
    const { written } = await changesWhile(async () => {
      const progress = { message: 'model.layers.3', done: 5, total: 100 };
      shown.host.notify('job', { kind: 'running', title: 'Sensitivity', progress });
      await shown.page.locator('.job').getByText('5 %').waitFor();
    });
    expect(written).toBe(0);
  });

  it('changes where a figure changed', async () => {
    const first = shown.page.locator('.sensitivity .grid-row').nth(1);
    const before = await first.innerText();
    const { seen } = await changesWhile(async () => {
      revision += 1;
      shown.host.notify('sensitivity', { revision, rung: 'weights', measuredWith: {} });
      await expect.poll(() => first.innerText()).not.toBe(before);
    });
    expect(seen).toBeGreaterThan(0);
    expect(seen).toBeLessThanOrEqual(3 * formats.length); // a text, a tooltip and a tint of each cell of the row
  });
});
