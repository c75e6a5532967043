import type { TensorContext } from '../src/protocol/webview';

/**
 * `data-vscode-context` of a row: what the commands of its menu act on.
 * @param model its path.
 * @param tensors of the model.
 * @param names of the row, where they are others.
 * @param isPlanned whether the row is one of the plan.
 */
export function menuContext(
  webviewSection: TensorContext['webviewSection'],
  model: string | undefined,
  tensors: readonly string[],
  names?: readonly string[],
  isPlanned = false,
): string {
  const context: TensorContext = {
    ...{ webviewSection, preventDefaultContextMenuItems: true, quantscopeModel: model ?? '' },
    quantscopeTensors: tensors,
    ...(names ? { quantscopeNames: names } : {}),
    ...(isPlanned ? { quantscopePlanned: true } : {}),
  };
  return JSON.stringify(context);
}

/**
 * Opens the context menu of an element for the keys that ask for it. A list with an active row has the focus itself, so the browser's own
 * menu event would be about the whole list; VS Code reads the context of the row off the event's target.
 * @param row finds it once what earlier keys changed is drawn.
 * @returns whether the key was one of them.
 */
export function openMenuByKey(event: KeyboardEvent, row: () => HTMLElement | null): boolean {
  const asksForMenu = event.key === 'ContextMenu' || (event.shiftKey && event.key === 'F10');
  if (!asksForMenu) return false;
  event.preventDefault();
  requestAnimationFrame(() => {
    const element = row();
    if (element) openMenu(element);
  });
  return true;
}

/** Opens the menu at a row, as a right click does. */
function openMenu(row: HTMLElement): void {
  const { left, bottom } = row.getBoundingClientRect();
  row.dispatchEvent(
    new MouseEvent('contextmenu', {
      bubbles: true,
      cancelable: true,
      clientX: left + 24,
      clientY: bottom,
    }),
  );
}
