import * as l10n from '@vscode/l10n';
import type { ExportedTensor, TensorTypeRule } from '../../../src/protocol/export';
import type { GridColumn } from '../grid';
import { FormatBadge } from '../FormatBadge';
import { size } from '../../../src/protocol/words';
import { causes } from './causes';
import { TypeSelect } from './fields';
import { patternOf } from './form';

interface Choosing {
  readonly types: readonly string[];
  readonly rules: readonly TensorTypeRule[];
  readonly choose: (tensor: string, type: string) => void;
}

type Props = Choosing & { readonly tensor: ExportedTensor };

/** From what to what, how large, and why. */
export function columnsOf(choosing: Choosing): GridColumn<ExportedTensor>[] {
  return [
    {
      ...{ id: 'from', label: l10n.t('From'), width: 58, align: 'left' },
      cell: ({ from }) => <span class="muted">{from}</span>,
      saved: { value: ({ from }) => from },
    },
    {
      ...{ id: 'to', label: l10n.t('To'), width: 138, align: 'left' },
      cell: (tensor) => <TypeCell tensor={tensor} {...choosing} />,
      saved: { value: ({ to }) => to },
    },
    {
      ...{ id: 'size', label: l10n.t('Size'), width: 78 },
      cell: ({ bytes }) => size(bytes),
      saved: { unit: 'bytes', value: ({ bytes }) => bytes },
    },
    {
      ...{ id: 'why', label: l10n.t('Why'), width: 116, grows: true, align: 'left' },
      cell: ({ cause, reason }) => (
        <span class="why muted">
          <span class={`cause ${cause}`}>{causes[cause].badge}</span>
          <span class="reason">{reason}</span>
        </span>
      ),
      cellTitle: ({ cause, reason }) => `${reason} (${causes[cause].meaning})`,
      saved: { value: ({ reason }) => reason },
    },
  ];
}

/** The type; an invisible select covers it, so one click opens the list. */
function TypeCell({ tensor, types, rules, choose }: Props) {
  const { name, to, cause, presetType } = tensor;
  const isFixed = cause === 'kept' || cause === 'computed';
  return (
    <span
      class={isFixed ? 'type-cell' : 'type-cell choosable'}
      title={isFixed ? undefined : l10n.t('Choose another type')}
    >
      {presetType !== undefined && <span class="muted preset">{presetType} → </span>}
      <FormatBadge format={to} />
      {!isFixed && (
        <TypeSelect
          label={l10n.t('Type of {0}, now {1}', name, to)}
          value={rules.find(({ pattern }) => pattern === patternOf(name))?.type ?? ''}
          types={types}
          none={l10n.t('no rule')}
          tabIndex={-1}
          onChange={(type) => choose(name, type)}
        />
      )}
    </span>
  );
}

/** What a tensor of the file comes from. */
export function sourceOf({ name, source, sources, shape }: ExportedTensor): string {
  const from = sources > 1 ? l10n.t('{0} and {1} more', source, sources - 1) : source;
  return l10n.t('{0} [{1}], from {2}', name, shape.join(', '), from);
}
