import { useEffect, useRef } from 'preact/hooks';

/** Puts a text on the clipboard when the user copies while the element has the focus and no text is selected. */
export function useCopy(element: { current: HTMLElement | null }, text: () => string | undefined): void {
  const latest = useRef(text);
  latest.current = text;
  useEffect(() => {
    const copy = (event: ClipboardEvent): void => {
      if (document.activeElement !== element.current || !getSelection()?.isCollapsed) return;
      const copied = latest.current();
      if (copied === undefined) return;
      event.clipboardData?.setData('text/plain', copied);
      event.preventDefault();
    };
    document.addEventListener('copy', copy);
    return () => document.removeEventListener('copy', copy);
  }, []);
}
