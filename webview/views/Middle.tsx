import { splitMiddle } from '../middle';

/** A name whose middle is cut where it does not fit; the tooltip has the full name. */
export function Middle({ text, title = text }: { text: string; title?: string }) {
  const [head, tail] = splitMiddle(text);
  return (
    <span class="middle" title={title}>
      <span class="middle-head">{head}</span>
      {tail !== '' && <span class="middle-tail">{tail}</span>}
    </span>
  );
}
