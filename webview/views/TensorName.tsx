import { Middle } from './Middle';

const usual = '.weight';

/** A tensor's name where space is short: the suffix that most names share is left out first, then the middle is cut. */
export function TensorName(props: {
  name: string;
  /** Its last part, where that says little. */
  suffix?: string;
  /** The tooltip; the name unless given. */
  title?: string;
}) {
  const { name, suffix = name.endsWith(usual) ? usual : '', title = name } = props;
  return (
    <span class="tensor-name">
      <Middle text={name.slice(0, name.length - suffix.length)} title={title} />
      {suffix !== '' && <span class="suffix">{suffix}</span>}
    </span>
  );
}
