import * as l10n from '@vscode/l10n';
import type { Plan } from '../../../src/protocol/plan';
import type { FormatOption, FormatReasons } from '../../../src/protocol/planFront';
import { plural, size } from '../../../src/protocol/words';
import { useApp, useAppState } from '../../context';
import { decibels, scientific } from '../../format';
import { useAnswer } from '../../useAnswer';
import { RungMark } from '../Evidence';
import { Bits } from '../FormatBadge';
import type { FormatBinder } from './formatBinder';
import { optionRows, whySentence, type OptionRow } from './whyText';
import { Failed } from '../states';

/** Why the selected tensor has its format: all others, with what they would cost, to be pinned or excluded. */
export function Why({ plan, revision, binder }: { plan: Plan; revision: number; binder: FormatBinder }) {
  const { host } = useApp();
  const { selected, sensitivity, opening } = useAppState();
  const chosen = selected.at(-1);
  const place = plan.assignments.findIndex(
    ({ tensor, sources }) => chosen !== undefined && (tensor === chosen || sources.includes(chosen)),
  );
  const tensor = plan.assignments[place]?.tensor;
  const key = tensor && `${opening} ${sensitivity?.revision} ${revision} ${tensor}`;
  const { value, failure } = useAnswer(key, (signal) =>
    host.call('formatReasons', { tensor: tensor! }, { signal }),
  );
  if (tensor === undefined)
    return <p class="muted caption">{l10n.t('Select a tensor of the plan to see why it has its format.')}</p>;
  if (failure !== undefined) return <Failed message={failure} />;
  // The answer to an earlier question stays until the next one is there.
  if (value?.tensor !== tensor)
    return <p class="muted caption">{l10n.t('Weighing the formats of {0}…', tensor)}</p>;
  return <Reasons reasons={value} place={place} binder={binder} />;
}

function Reasons(props: { reasons: FormatReasons; place: number; binder: FormatBinder }) {
  const { reasons, place, binder } = props;
  const { together, isReleasable } = reasons;
  return (
    <section class="why" aria-label={l10n.t('Why this format')}>
      <p>
        <strong>{whySentence(reasons)}</strong>
        {together.length > 1 &&
          l10n.t(' Figures are those of {0} that must agree.', plural(together.length, 'tensor'))}{' '}
        <RungMark rung={reasons.rung} />{' '}
        {isReleasable && (
          <button
            class="link"
            disabled={binder.disabled}
            onClick={() => binder.bind([place], { kind: 'release' })}
          >
            {l10n.t('Release')}
          </button>
        )}
      </p>
      <div class="why-scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">{l10n.t('Format')}</th>
              <th scope="col">{l10n.t('Size')}</th>
              <th scope="col" class="noise-ratio" title={l10n.t('Signal-to-quantization-noise ratio')}>
                {l10n.t('SQNR')}
              </th>
              <th scope="col" title={lossTitle[reasons.measure]}>
                {reasons.measure === 'divergence' ? 'KLD' : l10n.t('Error by role')}
              </th>
              <th
                scope="col"
                class="per-megabyte"
                title={l10n.t(
                  'What a further MB saves on the way from the format before. Elsewhere in the plan it saves {0}',
                  scientific(reasons.price * 1e6),
                )}
              >
                {l10n.t('Saved per MB')}
              </th>
              <th
                scope="col"
                title={l10n.t(
                  'How much more the whole plan would lose at its size if the tensor had this format: its bytes are taken from, or given to, other tensors at the price of the plan',
                )}
              >
                {l10n.t('Price')}
              </th>
              <th scope="col">
                <span class="hidden">{l10n.t('Choose')}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {optionRows(reasons).map((row) => (
              <Option key={row.option.format} {...{ row, reasons, place, binder }} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

const lossTitle = {
  divergence: l10n.t('Predicted KL divergence that the tensor causes, nats per token'),
  roleError: l10n.t('Share of the error weighted by role that the tensor causes'),
} as const;

function Option(props: { row: OptionRow; reasons: FormatReasons; place: number; binder: FormatBinder }) {
  const { row, reasons, place, binder } = props;
  const { option, perMegabyte } = row;
  const { format, bitsPerWeight, bytes, relativeSquaredError, loss, cost, ruledOutBy } = option;
  const isPlanned = format === reasons.format;
  const classes = [isPlanned ? 'planned' : '', ruledOutBy.length > 0 ? 'ruled-out' : ''];
  const pick = (kind: 'pin' | 'exclude') => () => binder.bind([place], { kind, format });
  return (
    <tr class={classes.filter(Boolean).join(' ')} data-format={format} title={ruledOutText(option)}>
      <th scope="row">
        <Bits bits={bitsPerWeight}>{format}</Bits>
        {isPlanned && <span class="muted"> {l10n.t('planned')}</span>}
        {format === reasons.runnerUp && <span class="muted"> {l10n.t('runner-up')}</span>}
        {ruledOutBy.length > 0 && <span class="muted"> {l10n.t('ruled out')}</span>}
      </th>
      <td>{size(bytes)}</td>
      <td class="noise-ratio">{decibels(relativeSquaredError, 1)}</td>
      <td>{scientific(loss)}</td>
      <td class="per-megabyte">{perMegabyte === undefined ? '–' : scientific(perMegabyte)}</td>
      <td>{cost === undefined ? '–' : isPlanned ? '0' : scientific(cost)}</td>
      <td>
        <button
          class="link"
          aria-label={l10n.t('Pin to {0}', format)}
          disabled={binder.disabled}
          onClick={pick('pin')}
        >
          {l10n.t('Pin')}
        </button>{' '}
        <button
          class="link"
          aria-label={l10n.t('Exclude {0}', format)}
          disabled={binder.disabled}
          onClick={pick('exclude')}
        >
          {l10n.t('Exclude')}
        </button>
      </td>
    </tr>
  );
}

const ruledOutText = ({ ruledOutBy }: FormatOption): string | undefined =>
  ruledOutBy.length === 0 ? undefined : l10n.t('Ruled out by {0}', ruledOutBy.join(l10n.t(' and ')));
