import * as l10n from '@vscode/l10n';
import { provideVSCodeDesignSystem, vsCodeButton, vsCodeTextField } from '@vscode/webview-ui-toolkit';
import type { ComponentChildren } from 'preact';

/** The only file that knows webview-ui-toolkit: plain controls, so replacing it affects nothing else. */
provideVSCodeDesignSystem().register(vsCodeButton(), vsCodeTextField());

declare module 'preact' {
  // eslint-disable-next-line @typescript-eslint/no-namespace -- JSX elements cannot be declared in any other way
  namespace JSX {
    interface IntrinsicElements {
      'vscode-button': Record<string, unknown>;
      'vscode-text-field': Record<string, unknown>;
    }
  }
}

export function Button(props: {
  onClick: () => void;
  primary?: boolean;
  disabled?: boolean;
  title?: string;
  /** Accessible name where the text is not enough; it begins with the text. */
  name?: string;
  children: ComponentChildren;
}) {
  return (
    <vscode-button
      appearance={props.primary ? 'primary' : 'secondary'}
      disabled={props.disabled ?? false}
      title={props.title}
      aria-label={props.name}
      onClick={props.onClick}
    >
      {props.children}
    </vscode-button>
  );
}

export function TextField(props: {
  value: string;
  label: string;
  placeholder?: string;
  title?: string;
  onInput: (value: string) => void;
  onBlur?: () => void;
  disabled?: boolean;
  width?: string;
}) {
  // The toolkit names every field "Text field" when it is inserted; a ref is called after that.
  const name = (field: Element | null): void => field?.setAttribute('aria-label', props.label);
  return (
    <vscode-text-field
      ref={name}
      value={props.value}
      placeholder={props.placeholder}
      title={props.title}
      disabled={props.disabled ?? false}
      style={props.width ? { width: props.width } : {}}
      onBlur={props.onBlur}
      onInput={(event: Event) => props.onInput((event.target as HTMLInputElement).value)}
    />
  );
}

/** The toolkit's ring draws sixty pictures a second, which costs more than what the page waits for; this one draws twelve. */
export function Spinner() {
  return <span class="spinner" role="progressbar" aria-label={l10n.t('Busy')} />;
}

/** What a page waits for, in words. */
export function Loading({ children }: { children: ComponentChildren }) {
  return (
    <div class="loading">
      <Spinner /> {children}
    </div>
  );
}
