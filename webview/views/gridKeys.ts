import { useState } from 'preact/hooks';
import { rowHeight } from '../virtualRows';
import type { GridProps } from './grid';

/** Keyboard navigation of a table. */

const controls = 'select, input, button, vscode-button';

/** Whether the target is a control in a row, not the row itself. */
export const isControl = (target: EventTarget | null): boolean =>
  target instanceof Element && target.closest(controls) !== null;

/** The row that keys move. */
export function useActiveLine<Line>(
  props: GridProps<Line>,
  scroller: { current: HTMLDivElement | null },
  scrollTo: (index: number) => void,
) {
  const { id, lines, keyOf } = props;
  const [key, setActive] = useState<string>();
  const active = key === undefined ? -1 : lines.findIndex((line) => keyOf(line) === key);
  const moveTo = (index: number): void => {
    const next = Math.max(0, Math.min(lines.length - 1, index));
    const line = lines[next];
    if (!line) return;
    setActive(keyOf(line));
    scrollTo(next);
  };
  const enter = (line: Line): void => {
    const control = scroller.current?.querySelector<HTMLElement>(
      controls
        .split(', ')
        .map((name) => `#${id}-${active} ${name}`)
        .join(),
    );
    if (control) control.focus();
    else if (props.openOf?.(line) === undefined) props.choose(line);
    else props.toggle?.(line);
  };
  const onKey = (event: KeyboardEvent): void => {
    if (event.target !== scroller.current) {
      if (event.key === 'Escape') scroller.current?.focus();
      return;
    }
    const action = actionOf(event.key, props, active, event.currentTarget as HTMLDivElement, moveTo, enter);
    if (!action) return;
    action();
    event.preventDefault();
  };
  return { active, setActive, onKey };
}

function actionOf<Line>(
  key: string,
  { lines, openOf, depthOf, toggle }: GridProps<Line>,
  active: number,
  scroller: HTMLDivElement,
  moveTo: (index: number) => void,
  enter: (line: Line) => void,
): (() => void) | undefined {
  const page = Math.max(1, Math.floor(scroller.clientHeight / rowHeight) - 2);
  const line = lines[active];
  const open = line && openOf?.(line);
  const steps: Record<string, number> = {
    ArrowDown: active + 1,
    ArrowUp: active - 1,
    PageDown: active + page,
    PageUp: active - page,
    Home: 0,
    End: lines.length - 1,
  };
  const step = steps[key];
  if (step !== undefined) return () => moveTo(step);
  if (!line) return undefined;
  if (key === 'Enter') return () => enter(line);
  if (!openOf) return undefined;
  if (key === 'ArrowRight') return open === false ? () => toggle?.(line) : () => moveTo(active + 1);
  if (key === 'ArrowLeft')
    return open === true ? () => toggle?.(line) : () => moveTo(parentOf(lines, active, depthOf));
  return undefined;
}

function parentOf<Line>(
  lines: readonly Line[],
  index: number,
  depthOf: ((line: Line) => number) | undefined,
): number {
  const depth = depthOf?.(lines[index]!) ?? 0;
  for (let at = index - 1; at >= 0; at--) if ((depthOf?.(lines[at]!) ?? 0) < depth) return at;
  return index;
}
