import { nameText } from '../format';
import { splitMiddle } from '../middle';

/** A first part of so many characters stays; of a longer one a letter and an ellipsis do. */
const shortHead = 5;

/** A name whose middle is cut where it does not fit; the tooltip has the full name. */
export function Middle({ text, title = text }: { text: string; title?: string }) {
  const { head, key, tail } = splitMiddle(nameText(text));
  return (
    <span class={key === '' ? 'middle' : 'middle numbered'} title={title}>
      <span class={head.length > shortHead ? 'middle-head' : 'middle-head short'}>{head}</span>
      <span class="middle-rest">
        <span class="middle-key">{key === '' ? undefined : key}</span>
        <span class="middle-tail">
          <bdi>{tail}</bdi>
        </span>
      </span>
    </span>
  );
}
