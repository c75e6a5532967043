/// <reference lib="dom" />
import type { CDPSession } from 'playwright-core';
import type { ModelDescription } from '../../../src/protocol/model';
import type { BrowserPage } from '../../support/pageInBrowser';
import { comparisonOf, finishedAt, openTables, recipeChoices } from '../../support/tableAnswers';

/** What the main thread of the page uses (processor time, milliseconds). */
export interface TableFigures {
  readonly name: string;
  /** Until the first row of the table is there. */
  readonly open: number;
  /** A step of the progress of a run. */
  readonly tick: number;
  /** A click on the head of a column, where there are such that sort. */
  readonly sort?: number;
  /** A word in its filter, where it has one. */
  readonly filter?: number;
  /** A screen that is scrolled on. */
  readonly scroll: number;
  /** A row that is clicked. */
  readonly choose: number;
}

/** A table of the page: how it is come by, and what a run does while it is shown. */
interface Shown {
  readonly name: string;
  /** Its element. */
  readonly grid: string;
  open(shown: BrowserPage, model: ModelDescription): Promise<void>;
  tick(shown: BrowserPage, model: ModelDescription, at: number): Promise<void> | void;
  readonly head?: string;
  readonly filter?: string;
}

const toTab = async ({ page }: BrowserPage, name: string, mode?: string): Promise<void> => {
  await page.getByRole('tab', { name, exact: true }).click();
  if (mode !== undefined) await page.getByText(mode, { exact: true }).click();
};

/** A run of the host, of which the page shows how far it is. */
const jobTick: Shown['tick'] = ({ host }, _, at) =>
  host.notify('job', {
    ...{ kind: 'running', title: 'Sensitivity' },
    progress: { message: `model.layers.${at}`, done: at, total: 100 },
  });

const tables: readonly Shown[] = [
  {
    ...{ name: 'Plan', grid: '.plan .grid', head: 'Size', tick: jobTick },
    async open(shown) {
      await toTab(shown, 'Plan');
      await shown.page.getByLabel('Group tensors').selectOption('none');
    },
  },
  {
    ...{ name: 'Plan, its slider moves', grid: '.plan .grid', head: 'Size' },
    tick: ({ page }) => page.locator('#budget').press('ArrowRight'),
    async open(shown) {
      await toTab(shown, 'Plan');
      await shown.page.getByLabel('Group tensors').selectOption('none');
    },
  },
  {
    ...{ name: 'Compare', grid: '.compare .grid', head: 'SQNR dB' },
    filter: 'Filter the compared tensors',
    tick: ({ host }, _, at) =>
      host.notify('modelProgress', { message: `model.layers.${at}`, done: at, total: 100 }),
    async open(shown, model) {
      shown.host.notify('modelComparison', { other: '/b', third: '/c', result: comparisonOf(model) });
      await toTab(shown, 'Compare');
    },
  },
  {
    ...{ name: 'Export', grid: '.export-table .grid', filter: 'Filter the tensors of the file' },
    tick: jobTick,
    open: (shown) => toTab(shown, 'Export'),
  },
  {
    ...{ name: 'Quantize', grid: '.quantize-model .grid', filter: 'Filter the tensors of the result' },
    async open(shown, model) {
      await toTab(shown, 'Quantize', 'Whole model');
      await this.tick(shown, model, 0);
    },
    tick: ({ host }, model, at) =>
      host.notify('quantization', {
        ...{ run: 1, title: 'gptq', settings: { recipe: recipeChoices.recipes[0]!.recipe.id } },
        progress: { message: `model.layers.${at}`, done: at, total: 100 },
        ...{ before: 4 * at, finished: finishedAt(model, 4 * at, 4) },
      }),
  },
];

const ticks = 20;

/** The page with that model, opened once for each table. */
export async function measureTables(model: ModelDescription): Promise<TableFigures[]> {
  const figures: TableFigures[] = [];
  for (const table of tables) figures.push(await measureTable(table, model));
  return figures;
}

async function measureTable(table: Shown, model: ModelDescription): Promise<TableFigures> {
  const shown = await openTables(model);
  try {
    const { page } = shown;
    const time = await timer(shown);
    const rows = page.locator(`${table.grid} .grid-row[data-line]`);
    const open = await time(async () => {
      await table.open(shown, model);
      await rows.nth(10).waitFor();
    });
    await page.waitForTimeout(500);
    const tick = await time(async () => {
      for (let at = 1; at <= ticks; at++) {
        await table.tick(shown, model, at);
        await page.waitForTimeout(50);
      }
    });
    const choose = await time(() => rows.nth(2).click());
    const grid = page.locator(table.grid);
    const scroll = await time(() =>
      grid.evaluate(async (scroller) => {
        for (let i = 0; i < 50; i++) {
          scroller.scrollTop += scroller.clientHeight;
          await new Promise((done) => requestAnimationFrame(done));
        }
      }),
    );
    const { head, filter } = table;
    return {
      ...{ name: table.name, open, tick: tick / ticks, choose, scroll: scroll / 50 },
      ...(head === undefined
        ? {}
        : { sort: await time(() => grid.getByRole('button', { name: head }).click()) }),
      ...(filter === undefined
        ? {}
        : { filter: await time(() => page.getByLabel(filter).locator('input').fill('down_proj')) }),
    };
  } finally {
    await shown.close();
  }
}

/** Processor time of the page's main thread during an action and the frames that follow from it. */
async function timer({ page }: BrowserPage): Promise<(action: () => Promise<unknown>) => Promise<number>> {
  const browser = await page.context().newCDPSession(page);
  await browser.send('Performance.enable', { timeDomain: 'threadTicks' });
  await page.locator('.tree .rows .row').first().waitFor();
  await page.waitForTimeout(1_000);
  return async (action) => {
    const before = await spent(browser);
    await action();
    await page.waitForTimeout(300);
    return (await spent(browser)) - before;
  };
}

async function spent(browser: CDPSession): Promise<number> {
  const { metrics } = await browser.send('Performance.getMetrics');
  return 1000 * (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? NaN);
}
