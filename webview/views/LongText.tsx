import * as l10n from '@vscode/l10n';
import { useState } from 'preact/hooks';

/** Characters shown before the user asks for the rest. */
const shownLength = 240;

/** A text that may be long: its beginning, and a link to the rest. */
export function LongText({ text, limit = shownLength }: { text: string; limit?: number }) {
  const [isOpen, setOpen] = useState(false);
  if (text.length <= limit) return <>{text}</>;
  return (
    <>
      {isOpen ? text : `${text.slice(0, limit).trimEnd()}…`}{' '}
      <button class="link" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        {isOpen ? l10n.t('Show less') : l10n.t('Show more')}
      </button>
    </>
  );
}
