import type { ExportedTensor, TensorTypeRule } from '../../../src/protocol/export';
import { size } from '../../format';
import { FormatBadge } from '../FormatBadge';
import { causes } from './causes';
import { TypeSelect } from './fields';
import { patternOf } from './form';

interface Props {
  readonly tensor: ExportedTensor;
  readonly types: readonly string[];
  readonly rules: readonly TensorTypeRule[];
  readonly choose: (tensor: string, type: string) => void;
}

export function ExportCells({ tensor, types, rules, choose }: Props) {
  const { name, from, bytes, cause, reason } = tensor;
  const { badge, meaning } = causes[cause];
  return (
    <>
      <span role="gridcell" class="ellipsis" title={sourceOf(tensor)}>
        {name}
      </span>
      <span role="gridcell" class="from muted">
        {from}
      </span>
      <span role="gridcell" class="to">
        <TypeCell {...{ tensor, types, rules, choose }} />
      </span>
      <span role="gridcell" class="right">
        {size(bytes)}
      </span>
      <span role="gridcell" class="ellipsis muted" title={`${reason} (${meaning})`}>
        <span class={`cause ${cause}`}>{badge}</span>
        <span class="reason">{reason}</span>
      </span>
    </>
  );
}

/** The type; a chooser lies over it, invisible, so that one click opens the list. */
function TypeCell({ tensor, types, rules, choose }: Props) {
  const { name, to, cause, presetType } = tensor;
  const isFixed = cause === 'kept' || cause === 'computed';
  return (
    <span
      class={isFixed ? 'type-cell' : 'type-cell choosable'}
      title={isFixed ? undefined : 'Choose another type'}
    >
      {presetType !== undefined && <span class="muted preset">{presetType} → </span>}
      <FormatBadge format={to} />
      {!isFixed && (
        <TypeSelect
          label={`Type of ${name}, now ${to}`}
          value={rules.find(({ pattern }) => pattern === patternOf(name))?.type ?? ''}
          types={types}
          none="no rule of its own"
          tabIndex={-1}
          onChange={(type) => choose(name, type)}
        />
      )}
    </span>
  );
}

function sourceOf({ name, source, sources, shape }: ExportedTensor): string {
  const from = sources > 1 ? `${source} and ${sources - 1} more` : source;
  return `${name} [${shape.join(', ')}], from ${from}`;
}
