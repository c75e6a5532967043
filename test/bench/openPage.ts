/// <reference lib="dom" />
import { openModel } from '../../src/layouts/openModel';
import { packModel } from '../../src/model/packTensors';
import { openPage } from '../support/pageInBrowser';

/** What the page does with a model in a browser, milliseconds. */
export interface PageFigures {
  /** Processor time of the main thread until the first row is there: loading the programs, running them, styles, layout and painting. */
  readonly firstRow: number;
  /** From frame to frame while all tensors are scrolled as a list, 150 pixels at a time. */
  readonly frames: readonly number[];
}

/** Tensors that are worth scrolling through. */
const longList = 10_000;

/** Opens the model in the page of the editor, without VS Code. */
export async function measurePage(file: string): Promise<PageFigures> {
  const opened = await openModel(file);
  const model = packModel(opened.description);
  await opened.close();
  const shown = await openPage({
    ready: () => ({ model, revision: 1, formats: [], job: { kind: 'idle' } }),
  });
  const { page } = shown;
  try {
    const browser = await page.context().newCDPSession(page);
    await browser.send('Performance.enable', { timeDomain: 'threadTicks' });
    await page.locator('.tree .rows .row').first().waitFor();
    const { metrics } = await browser.send('Performance.getMetrics');
    const spent = (name: string): number => 1000 * (metrics.find((item) => item.name === name)?.value ?? NaN);
    if (model.tensors.count < longList) return { firstRow: spent('TaskDuration'), frames: [] };
    await page.getByLabel('Order of the tensors').selectOption('none');
    await page.waitForTimeout(1_000);
    const frames = await page.locator('.tree-grid').evaluate(async (scroller) => {
      const frame = (): Promise<number> => new Promise((done) => requestAnimationFrame(done));
      const times: number[] = [];
      let last = await frame();
      for (let i = 0; i < 300; i++) {
        scroller.scrollTop += 150;
        const now = await frame();
        times.push(now - last);
        last = now;
      }
      return times;
    });
    return { firstRow: spent('TaskDuration'), frames };
  } finally {
    await shown.close();
  }
}
