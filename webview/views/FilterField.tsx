import * as l10n from '@vscode/l10n';
import { plural } from '../../src/protocol/words';
import { TextField } from '../controls';
import type { Filter } from '../filter';

/** Syntax of the filter, as its tooltip. */
const help = [
  l10n.t('Words match anywhere, in any case: q_proj bf16'),
  l10n.t('Globs match whole names: *.mlp.*'),
  l10n.t('Regular expressions: /layers\\.\\d\\.mlp/'),
  l10n.t('And &, or |, not !, parentheses: q_proj & !layers.0'),
].join('\n');

/** A field for a filter (filter.ts). */
export function FilterField(props: {
  text: string;
  setText: (text: string) => void;
  label: string;
  placeholder: string;
}) {
  return (
    <TextField
      value={props.text}
      label={props.label}
      placeholder={props.placeholder}
      title={help}
      onInput={props.setText}
      width="100%"
    />
  );
}

/** What is wrong with a filter, or how many lines match it. */
export function FilterStatus(props: { filter: Filter; matched: number; total: number; noun: string }) {
  const { filter, matched, total, noun } = props;
  const all = plural(total, noun);
  return (
    <span class={filter.kind === 'error' ? 'filter-status failed' : 'filter-status'} role="status">
      {filter.kind === 'error' && filter.message}
      {filter.kind === 'test' && l10n.t('{0} of {1}', matched.toLocaleString('en-US'), all)}
      {filter.kind === 'all' && all}
    </span>
  );
}
