import type { ModeDescription } from '../tabs';

/**
 * A choice of one among a few, as a segmented control: arrow keys move, as in any group of radio buttons.
 * @param props.label what is chosen, for screen readers.
 */
export function Modes<Id extends string>(props: {
  label: string;
  modes: readonly (Pick<ModeDescription<Id>, 'id' | 'label'> & Partial<ModeDescription<Id>>)[];
  value: Id;
  onChange: (id: Id) => void;
  /** Goes with a class of its own where it stands beside something else. */
  class?: string;
}) {
  const { label, modes, value, onChange, class: name = '' } = props;
  const onKey = (event: KeyboardEvent): void => {
    const at = modes.findIndex(({ id }) => id === value);
    const steps: Readonly<Record<string, number>> = {
      ...{ ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1 },
      ...{ Home: 0, End: -1 },
    };
    const step = steps[event.key];
    const next = step === undefined ? undefined : modes.at(step % modes.length);
    if (!next) return;
    event.preventDefault();
    onChange(next.id);
    const group = event.currentTarget as HTMLElement;
    group.querySelector<HTMLElement>(`[data-mode="${next.id}"]`)?.focus();
  };
  return (
    <div class={`modes ${name}`} role="radiogroup" aria-label={label} onKeyDown={onKey}>
      {modes.map(({ id, label: text, hint }) => (
        <button
          key={id}
          role="radio"
          data-mode={id}
          aria-checked={value === id}
          tabIndex={value === id ? 0 : -1}
          title={hint}
          class={value === id ? 'on' : ''}
          onClick={() => onChange(id)}
        >
          {text}
        </button>
      ))}
    </div>
  );
}
