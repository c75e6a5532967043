import { Middle } from './Middle';

const suffix = '.weight';

/** A tensor's name where space is short: first the suffix that most names share is cut, then the middle. */
export function TensorName({ name }: { name: string }) {
  if (!name.endsWith(suffix)) return <Middle text={name} />;
  return (
    <>
      <Middle text={name.slice(0, -suffix.length)} title={name} />
      <span class="suffix">{suffix}</span>
    </>
  );
}
