import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

export interface MenuItem {
  readonly label: string;
  readonly title?: string | undefined;
  readonly disabled?: boolean;
  /** Whether it is switched on; absent where it cannot be. The menu stays open for further ones. */
  readonly checked?: boolean;
  readonly run: () => void;
}

/**
 * A button that opens a list of actions: arrow keys move, Escape and a click elsewhere close it.
 * @param props.children what the button shows; three points unless given.
 */
export function Menu(props: { label: string; items: readonly MenuItem[]; children?: ComponentChildren }) {
  const { label, items, children = '⋯' } = props;
  const [isOpen, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const entries = (): HTMLButtonElement[] => [
    ...(box.current?.querySelectorAll<HTMLButtonElement>('[role^=menuitem]:enabled') ?? []),
  ];
  useEffect(() => {
    if (!isOpen) return undefined;
    entries()[0]?.focus();
    const away = (event: PointerEvent): void => {
      if (!box.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener('pointerdown', away);
    return () => document.removeEventListener('pointerdown', away);
  }, [isOpen]);
  const close = (): void => {
    setOpen(false);
    box.current?.querySelector<HTMLButtonElement>('.menu-button')?.focus();
  };
  const onKey = (event: KeyboardEvent): void => {
    if (!isOpen) return;
    const all = entries();
    const at = all.indexOf(document.activeElement as HTMLButtonElement);
    const steps: Readonly<Record<string, number>> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 };
    const step = steps[event.key];
    if (step !== undefined) all.at(step % all.length)?.focus();
    else if (event.key === 'Escape') close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class="menu" ref={box} onKeyDown={onKey}>
      <button
        class="menu-button"
        aria-label={label}
        aria-haspopup="menu"
        aria-expanded={isOpen}
        title={label}
        onClick={() => setOpen(!isOpen)}
      >
        {children}
      </button>
      {isOpen && (
        <div class="menu-items" role="menu" aria-label={label}>
          {items.map(({ label: text, title, disabled = false, checked, run }) => (
            <button
              key={text}
              role={checked === undefined ? 'menuitem' : 'menuitemcheckbox'}
              aria-checked={checked}
              title={title}
              disabled={disabled}
              onClick={() => {
                if (checked === undefined) close();
                run();
              }}
            >
              {text}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}
