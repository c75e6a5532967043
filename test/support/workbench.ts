import type { FrameLocator, Locator, Page } from 'playwright-core';
import { expect } from 'vitest';
import { literalPattern } from '../../src/model/literalPattern';
import { patience } from './vscodeServer';

/** Opens the palette and types into it; `>` before a command, nothing before a file. */
async function fillQuickInput(page: Page, text: string): Promise<Locator> {
  const input = page.locator('.quick-input-widget .quick-input-box input');
  // A palette that is just closing swallows the key that should open the next one.
  for (const deadline = Date.now() + patience; ;) {
    try {
      await page.keyboard.press('F1');
      await input.waitFor({ timeout: 5_000 });
      await input.fill(text, { timeout: 5_000 });
      return page.locator('.quick-input-list .monaco-list-row').first();
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
  }
}

/**
 * Waits until VS Code knows the development extension's contributions. A file that is opened earlier lands in the text
 * editor.
 */
export async function waitForExtension(page: Page, command = 'Quantscope: Show Log'): Promise<void> {
  const deadline = Date.now() + patience;
  for (;;) {
    const row = await fillQuickInput(page, `>${command}`);
    const found = await row
      .filter({ hasText: command })
      .waitFor({ timeout: 2_000 })
      .then(() => true)
      .catch(() => false);
    await page.keyboard.press('Escape');
    if (found) return;
    if (Date.now() > deadline) throw new Error(`The palette never had "${command}".`);
  }
}

/** Runs a command by its title in the palette ("Quantscope: Run Sensitivity"). */
export async function runCommand(page: Page, title: string): Promise<void> {
  await fillQuickInput(page, `>${title}`);
  const row = page.locator(`.quick-input-list .monaco-list-row[aria-label^="${title}"]`).first();
  await row.click();
}

/** Whether the palette offers a command. */
export async function isOffered(page: Page, title: string): Promise<boolean> {
  const first = await fillQuickInput(page, `>${title}`);
  await first.waitFor(); // where nothing fits, a row says so
  const found = await page.locator(`.quick-input-list .monaco-list-row[aria-label^="${title}"]`).count();
  await page.keyboard.press('Escape');
  return found > 0;
}

/** Opens a file of the workspace with the editor that VS Code picks for it. */
export async function openFile(page: Page, name: string): Promise<void> {
  const row = await fillQuickInput(page, name);
  await row.filter({ hasText: name.split('/').at(-1) ?? name }).waitFor();
  await page.keyboard.press('Enter');
  await page.locator('.quick-input-widget').waitFor({ state: 'hidden' });
}

/** The webview of the editor in front: others are kept, hidden. */
export function frontFrame(page: Page): FrameLocator {
  return page.locator('iframe.webview.ready:visible').last().contentFrame().frameLocator('#active-frame');
}

/** Opens a page of the editor, and a mode of it. */
export async function openPage(frame: FrameLocator, tab: string, mode?: string): Promise<void> {
  await frame.getByRole('tab', { name: tab }).click();
  if (mode !== undefined) await frame.getByRole('radio', { name: mode, exact: true }).click();
}

/** Answers VS Code's own file dialog: with what it suggests, or another file of the workspace. */
export async function acceptFile(page: Page, name?: string): Promise<void> {
  const widget = page.locator('.quick-input-widget');
  await widget.locator('.quick-input-box input').waitFor();
  if (name !== undefined) await page.locator('.quick-input-list').getByText(name).click();
  else await widget.getByRole('button', { name: 'OK' }).click();
  await widget.waitFor({ state: 'hidden' });
}

/**
 * Answers VS Code's own file dialog with a path. The dialog shows its field before it writes its suggestion into it: a
 * path that is typed too early ends up behind the suggestion.
 * @param suggested the name that the dialog suggests.
 * @param path absolute.
 */
export async function saveFileAs(page: Page, suggested: string, path: string): Promise<void> {
  const input = page.locator('.quick-input-widget .quick-input-box input');
  await expect.poll(() => input.inputValue()).toSatisfy((value: string) => value.endsWith(suggested));
  await input.fill(path);
  await expect.poll(() => input.inputValue()).toBe(path);
  await acceptFile(page);
}

const themes = {
  dark: { label: 'Dark Modern', cssClass: 'vs-dark' },
  light: { label: 'Light Modern', cssClass: 'vs' },
  contrast: { label: 'Dark High Contrast', cssClass: 'hc-black' },
  lightContrast: { label: 'Light High Contrast', cssClass: 'hc-light' },
} as const;

/** Changes the colour theme and waits until the workbench wears it. */
export async function setTheme(page: Page, theme: keyof typeof themes): Promise<void> {
  const { label, cssClass } = themes[theme];
  await runCommand(page, 'Preferences: Color Theme');
  const input = page.locator('.quick-input-widget .quick-input-box input');
  await page.locator('.quick-input-list .monaco-list-row', { hasText: 'Modern' }).first().waitFor();
  await input.fill(label);
  await page.locator('.quick-input-list .monaco-list-row').first().filter({ hasText: label }).waitFor();
  await page.keyboard.press('Enter');
  await page.locator(`.monaco-workbench.${cssClass}`).waitFor();
}

/** Makes the window as narrow as an editor beside another one: views are chosen in a drop-down list there. */
export async function makeNarrow(page: Page, frame: FrameLocator): Promise<void> {
  await page.setViewportSize({ width: 500, height: 900 });
  await frame.locator('.drop-down-bar').waitFor();
}

/** Moves to a cell of the map by layer and role, with the keys that lead there; its words begin with `where`: "attn_v, layer 2". */
export async function goToCell(frame: FrameLocator, where: string): Promise<void> {
  const map = frame.locator('.layer-map');
  const words = (): Promise<string> => frame.locator('.layer-map-words').innerText();
  const role = where.split(',')[0]!;
  await map.focus();
  for (const [key, wanted] of [
    ['ArrowDown', role],
    ['ArrowRight', `${where}:`],
  ] as const) {
    for (let step = 0; step < 60 && !(await words()).startsWith(wanted); step++) await map.press(key);
    expect(await words()).toContain(wanted);
  }
}

/** Chooses from VS Code's menus, which ignore a click that comes right after they opened; the one that they take closes them. */
export async function chooseFromMenu(page: Page, name: string): Promise<void> {
  // Where a command has keys, they are part of the item's name.
  const item = page.getByRole('menuitem', { name: new RegExp(`^${literalPattern(name)}(?:,? Ctrl.*)?$`) });
  await item.waitFor();
  const click = async (): Promise<number> => {
    await item.click({ timeout: 1_000 }).catch(() => undefined); // it may have closed already
    return item.count();
  };
  await expect.poll(click).toBe(0);
}

/** By how many pixels the contents of an element are wider than it is. */
export const overflowOf = (element: Locator): Promise<number> =>
  element.evaluate(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth);
