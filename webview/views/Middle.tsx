import { splitMiddle } from '../middle';

/** A name that loses its middle where there is no room for it; the whole is its title. */
export function Middle({ text, title = text }: { text: string; title?: string }) {
  const [head, tail] = splitMiddle(text);
  return (
    <span class="middle" title={title}>
      <span class="middle-head">{head}</span>
      {tail !== '' && <span class="middle-tail">{tail}</span>}
    </span>
  );
}
