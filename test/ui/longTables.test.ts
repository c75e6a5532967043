/// <reference lib="dom" />
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openModel } from '../../src/layouts/openModel';
import type { ModelDescription } from '../../src/protocol/model';
import { temporaryFolder } from '../support/files';
import { writeMixture } from '../support/mixtureModel';
import type { BrowserPage } from '../support/pageInBrowser';
import { comparisonOf, finishedAt, openTables, recipeChoices } from '../support/tableAnswers';

describe('tables of eighteen thousand tensors', () => {
  let model: ModelDescription;
  let shown: BrowserPage;

  beforeAll(async () => {
    const shape = { layers: 48, experts: 128, hidden: 64, expertHidden: 32 };
    const opened = await openModel(writeMixture(temporaryFolder(), shape));
    model = opened.description;
    await opened.close();
  });

  afterEach(() => shown.close());

  const toTab = (name: string) => shown.page.getByRole('tab', { name, exact: true }).click();
  const rows = (table: string) => shown.page.locator(`${table} .grid-row[data-line]`);

  /** Waits for the table; what the page then changes in its rows is collected by the names of their tensors. */
  async function watch(table: string): Promise<void> {
    await rows(table).nth(10).waitFor();
    expect(await rows(table).count()).toBeLessThan(90);
    await shown.page.locator(`${table} .grid-canvas`).evaluate((canvas) => {
      const changed = new Set<string>();
      new MutationObserver((found) => {
        for (const { target } of found) {
          const element = target instanceof Element ? target : target.parentElement;
          changed.add(element?.closest<HTMLElement>('[data-tensor]')?.dataset['tensor'] ?? 'the table');
        }
      }).observe(canvas, { subtree: true, childList: true, characterData: true, attributes: true });
      Object.assign(globalThis, { changed });
    });
  }

  const changed = (): Promise<string[]> =>
    shown.page.evaluate(() => [...(globalThis as unknown as { changed: Set<string> }).changed]);

  it('of a plan change where the budget gives another format', async () => {
    shown = await openTables(model);
    await toTab('Plan');
    await shown.page.getByLabel('Group tensors').selectOption('none');
    await watch('.plan');
    const third = rows('.plan').nth(2);
    const before = await third.getAttribute('data-format');
    await shown.page.locator('#budget').press('ArrowRight');
    await expect.poll(() => third.getAttribute('data-format')).not.toBe(before);
    expect(await changed()).toEqual([await third.getAttribute('data-tensor')]);
  });

  it('of a comparison stay while a third model is compared', async () => {
    shown = await openTables(model);
    await shown.page.locator('.tree .row').first().waitFor();
    shown.host.notify('modelComparison', { other: '/b', third: '/c', result: comparisonOf(model) });
    await toTab('Compare');
    await watch('.compare');
    shown.host.notify('modelProgress', { message: 'blk.3', done: 7, total: 100 });
    await shown.page.getByText('7 of 100: blk.3').waitFor();
    expect(await changed()).toEqual([]);
  });

  it('of an export stay while a job goes on', async () => {
    shown = await openTables(model);
    await toTab('Export');
    await watch('.export-table');
    const progress = { message: 'blk.3', done: 5, total: 100 };
    shown.host.notify('job', { kind: 'running', title: 'Sensitivity', progress });
    await shown.page.locator('.job').getByText('5 %').waitFor();
    expect(await changed()).toEqual([]);
  });

  it('of a quantization change where a matrix is finished, and are asked for once', async () => {
    let dryRuns = 0;
    shown = await openTables(model, () => dryRuns++);
    await toTab('Quantize');
    await shown.page.getByText('Whole model', { exact: true }).click();
    const settings = { recipe: recipeChoices.recipes[0]!.recipe.id };
    const step = (before: number, count: number): void =>
      shown.host.notify('quantization', {
        ...{ run: 1, title: 'gptq', settings, before, finished: finishedAt(model, before, count) },
        progress: { message: `matrix ${before + count}`, done: before + count, total: 100 },
      });
    await rows('.quantize-model').nth(10).waitFor();
    step(0, 2);
    await shown.page.getByText('2 matrices finished').waitFor();
    await watch('.quantize-model');
    step(2, 3);
    await shown.page.getByText('5 matrices finished').waitFor();
    const finished = finishedAt(model, 2, 3).map(({ name }) => name);
    expect((await changed()).toSorted()).toEqual(finished.toSorted());
    await rows('.quantize-model').nth(4).click();
    await shown.page.waitForTimeout(500); // more than the delay of a dry run
    expect(dryRuns).toBe(1);
  });
});
