import type { Locator } from 'playwright-core';

/** A row of a table of the editor: its `data-` attributes and the text of its cells by column; `name` is the first. */
export interface GridRow {
  readonly data: Readonly<Record<string, string>>;
  readonly cells: Readonly<Record<string, string>>;
}

/** All rows of a table: those in sight are drawn only, so it is scrolled through, and back to the top. */
export function gridRows(grid: Locator): Promise<GridRow[]> {
  return grid.evaluate(async (element) => {
    const rows = new Map<number, GridRow>();
    const drawn = (): Promise<void> =>
      new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())));
    const gather = (): void => {
      for (const row of element.querySelectorAll<HTMLElement>('.grid-row[data-line]')) {
        const cells: Record<string, string> = { name: row.firstElementChild!.textContent };
        for (const cell of row.querySelectorAll<HTMLElement>('[data-column]'))
          cells[cell.dataset['column']!] = cell.innerText.trim();
        rows.set(Number(row.dataset['line']), { data: { ...row.dataset } as Record<string, string>, cells });
      }
    };
    const step = Math.max(48, element.clientHeight / 2);
    for (let top = 0; ; top += step) {
      element.scrollTop = top;
      await drawn();
      gather();
      if (top >= element.scrollHeight - element.clientHeight) break;
    }
    element.scrollTop = 0;
    await drawn();
    return [...rows.keys()].sort((a, b) => a - b).map((index) => rows.get(index)!);
  });
}

/** How many rows a table has, drawn or not. */
export const rowCount = async (grid: Locator): Promise<number> =>
  Number(await grid.getAttribute('aria-rowcount')) - 1;
