/** Keyboard navigation of lists with an active line, which may be trees. */

/** The list that a key acts on. */
export interface KeyedList<L> {
  readonly lines: readonly L[];
  /** Index of the active line, −1 without one. */
  readonly active: number;
  /** Lines that are visible at once. */
  readonly page: number;
  /** Whether a group is open; undefined for other lines. Absent where there are no groups. */
  readonly openOf?: ((line: L) => boolean | undefined) | undefined;
  readonly depthOf?: ((line: L) => number) | undefined;
}

/** What keys do. */
export interface LineActions<L> {
  readonly moveTo: (index: number, isRange: boolean) => void;
  readonly toggle: (line: L) => void;
  /** Enter on a line. */
  readonly enter: (line: L) => void;
}

/** Handles a key; false where it has no effect. */
export function lineKey<L>(
  event: { readonly key: string; readonly shiftKey: boolean },
  list: KeyedList<L>,
  { moveTo, toggle, enter }: LineActions<L>,
): boolean {
  const { lines, active, page, openOf } = list;
  const last = lines.length - 1;
  const steps: Readonly<Record<string, number>> = {
    ArrowDown: active + 1,
    ArrowUp: active - 1,
    PageDown: active + page,
    PageUp: active - page,
    Home: 0,
    End: last,
  };
  const step = steps[event.key];
  const line = lines[active];
  if (step !== undefined) moveTo(Math.max(0, Math.min(last, step)), event.shiftKey);
  else if (!line) return false;
  else if (event.key === 'Enter') enter(line);
  else if (!openOf) return false;
  else if (event.key === 'ArrowRight' && openOf(line) === false) toggle(line);
  else if (event.key === 'ArrowRight') moveTo(Math.min(last, active + 1), false);
  else if (event.key === 'ArrowLeft' && openOf(line) === true) toggle(line);
  else if (event.key === 'ArrowLeft') moveTo(parentOf(list), false);
  else return false;
  return true;
}

/** The group that the active line is in; the line itself at the top. */
function parentOf<L>({ lines, active, depthOf = () => 0 }: KeyedList<L>): number {
  const depth = depthOf(lines[active]!);
  for (let at = active - 1; at >= 0; at--) if (depthOf(lines[at]!) < depth) return at;
  return active;
}
