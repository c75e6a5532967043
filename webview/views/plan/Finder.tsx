import type { ComponentChildren } from 'preact';
import { Button } from '../../controls';

/** Fields that say what is wanted, and the button, or Enter, that finds the plan for it. */
export function Finder(props: {
  label: string;
  button: string;
  disabled: boolean;
  find: () => Promise<void>;
  children: ComponentChildren;
}) {
  const { label, button, disabled, find, children } = props;
  return (
    <div
      class="dial"
      role="group"
      aria-label={label}
      onKeyDown={(event) => {
        if (event.key === 'Enter' && !disabled) void find();
      }}
    >
      <span class="dial-label">{label}</span>
      {children}
      <Button disabled={disabled} onClick={() => void find()}>
        {button}
      </Button>
    </div>
  );
}
