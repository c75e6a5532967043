/// <reference lib="dom" />
import type { Locator } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { estimateRun } from '../../src/exporter/runEstimate/estimateRun';
import { openModel } from '../../src/layouts/openModel';
import { packModel } from '../../src/model/packTensors';
import type { RunTarget } from '../../src/protocol/runEstimate';
import { sampleFolder } from '../support/files';
import { openPage, type BrowserPage } from '../support/pageInBrowser';

describe('a page with little room', () => {
  let shown: BrowserPage;

  beforeAll(async () => {
    const model = await openModel(sampleFolder);
    const readPlan = (): never => {
      throw new Error('there is none');
    };
    shown = await openPage({
      ready: () => ({
        ...{ model: packModel(model.description), revision: 1, formats: [] },
        job: {
          ...{ kind: 'running', title: 'Sensitivity over generated-calibration.txt' },
          progress: { message: 'influence of blk.3.ffn_down', done: 203, total: 840, secondsLeft: 360 },
        },
      }),
      runChoices: () => ({ types: ['Q4_K_M'], recipes: [] }),
      estimateRun: ({ target, ...params }) =>
        estimateRun(
          model,
          { ...params, targets: [target as RunTarget] },
          { readPlan, signal: new AbortController().signal },
        ),
    });
  });

  afterAll(() => shown.close());

  const resize = (width: number) => shown.page.setViewportSize({ width, height: 900 });

  /** Pairs of elements that lie over one another, by their texts. */
  async function overlaps(elements: Locator): Promise<string[]> {
    return elements.evaluateAll((all) => {
      const boxes = all.map((element) => ({ element, box: element.getBoundingClientRect() }));
      return boxes.flatMap(({ element, box }, i) =>
        boxes
          .slice(i + 1)
          .filter(
            (other) =>
              box.width > 0 &&
              other.box.width > 0 &&
              box.left < other.box.right - 0.5 &&
              other.box.left < box.right - 0.5 &&
              box.top < other.box.bottom - 0.5 &&
              other.box.top < box.bottom - 0.5,
          )
          .map((other) => `${element.textContent} / ${other.element.textContent}`),
      );
    });
  }

  it.each([1440, 700, 480, 360, 320])('of %i pixels has how far a job is beside the pages', async (width) => {
    await resize(width);
    const bar = shown.page.locator('.tab-bar');
    await bar.getByText('24 %').waitFor();
    expect(await overlaps(bar.locator('.tab, .tab-select, .done, .icon-button, .menu-button'))).toEqual([]);
    const cut = await bar.locator('.done').evaluate((done) => done.scrollWidth - done.clientWidth);
    expect(cut).toBeLessThanOrEqual(0);
  });

  it.each([1440, 700, 360])('of %i pixels has fields that do not cover their names', async (width) => {
    await resize(width);
    await shown.page.locator('.own-machine').waitFor();
    const parts = shown.page.locator('.own-machine > label');
    expect(await overlaps(parts)).toEqual([]);
    const fields = await parts.evaluateAll((labels) =>
      labels.map((label) => {
        const root = label.querySelector('vscode-text-field')!.shadowRoot!.querySelector('.root')!;
        return root.getBoundingClientRect().right - label.getBoundingClientRect().right;
      }),
    );
    for (const beyond of fields) expect(beyond).toBeLessThanOrEqual(0.5);
  });

  it('cuts a name once, before its end', async () => {
    await resize(1440);
    const name = shown.page.locator('.tree .row', { hasText: 'post_attention_layernorm' }).first();
    await name.waitFor();
    const seen = await name.locator('.tensor-name').evaluate((element) => {
      const isCut = (selector: string): boolean => {
        const part = element.querySelector<HTMLElement>(selector)!;
        return part.scrollWidth > part.clientWidth;
      };
      const found: { width: number; head: boolean; tail: boolean; tailMark: string }[] = [];
      for (let width = 60; width <= 260; width += 3) {
        element.setAttribute('style', `width: ${width}px`);
        const tailMark = getComputedStyle(element.querySelector('.middle-tail')!).textOverflow;
        found.push({ width, head: isCut('.middle-head'), tail: isCut('.middle-tail'), tailMark });
      }
      return found;
    });
    expect(seen.some(({ head, tail }) => head && !tail)).toBe(true);
    expect(seen.some(({ head }) => !head)).toBe(true);
    // An ellipsis of the end only where the beginning has none.
    for (const { head, tail, tailMark } of seen)
      expect([head, tail, tailMark]).not.toEqual([true, true, 'ellipsis']);
    const least = Math.min(...seen.filter(({ head, tail }) => head && !tail).map(({ width }) => width));
    expect(seen.filter(({ width, tail }) => width >= least && tail)).toEqual([]);
  });
});
