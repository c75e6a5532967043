import { useMemo, useState } from 'preact/hooks';
import { lineKey } from '../lineKeys';
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
  const active = useMemo(
    () => (key === undefined ? -1 : lines.findIndex((line) => keyOf(line) === key)),
    [lines, key],
  );
  const moveTo = (index: number): void => {
    const line = lines[index];
    if (!line) return;
    setActive(keyOf(line));
    scrollTo(index);
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
    if (!scroller.current || event.target !== scroller.current) {
      if (event.key === 'Escape') scroller.current?.focus();
      return;
    }
    const page = Math.max(1, Math.floor(scroller.current.clientHeight / rowHeight) - 2);
    const list = { lines, active, page, openOf: props.openOf, depthOf: props.depthOf };
    const isDone = lineKey(event, list, {
      moveTo,
      toggle: (line) => props.toggle?.(line),
      enter,
    });
    const line = lines[active];
    if (isDone || (line !== undefined && props.onLineKey?.(event, line) === true)) event.preventDefault();
  };
  return { active, setActive, onKey };
}
