import * as l10n from '@vscode/l10n';
import { useMemo } from 'preact/hooks';
import type { Plan } from '../../../src/protocol/plan';
import { errorRung, predictionRung } from '../../../src/protocol/rungs';
import { bitColor, bitLength } from '../../bitScale';
import { decibels, percent, scientific } from '../../format';
import { differenceOf, type PlanDiff } from '../../planDiff';
import { mixOf, shareOf, type Mix } from '../../planMix';
import type { Grouping } from '../../../src/protocol/places';
import { RungMark } from '../Evidence';
import { GroupedGrid, type GroupColumn } from '../GroupedGrid';
import { GroupingSelect, tableGroupings } from '../GroupingSelect';
import { size } from '../../../src/protocol/words';
import type { FormatBinder } from './formatBinder';
import { usePersistent } from '../../usePersistent';

/** Format, bits and size of each tensor; and its share of the predicted divergence, else its signal to noise. Keys pin, exclude and release. */
export function Assignments(props: { plan: Plan; binder: FormatBinder; diff?: PlanDiff }) {
  const { plan, binder, diff } = props;
  const [grouping, setGrouping] = usePersistent<Grouping>('plan.grouping', 'layer');
  const columns = useMemo(
    () => [...columnsOf(plan, binder), ...(diff ? diffColumns(plan, diff) : [])],
    [plan, binder, diff],
  );
  return (
    <>
      <div class="measure">
        <GroupingSelect
          label={l10n.t('Group tensors')}
          groupings={tableGroupings}
          value={grouping}
          onChange={setGrouping}
        />
        <span class="muted caption">
          {plan.total.divergence === undefined ? 'SQNR' : l10n.t('Shares')}:{' '}
          <RungMark
            rung={plan.total.divergence === undefined ? errorRung(plan) : predictionRung(plan)}
            of={plan}
          />
        </span>
        <span class="muted caption">
          {l10n.t('Keys: P pins or releases, X excludes the format, R releases.')}
        </span>
      </div>
      <GroupedGrid
        id="plan"
        label={l10n.t('Format of each tensor')}
        tensors={plan.assignments}
        columns={columns}
        grouping={grouping}
        dataOf={(index) => ({
          'data-format': plan.assignments[index]?.format,
          ...(binder.pinned.has(index) ? { 'data-pinned': 'true' } : {}),
          ...(diff ? { 'data-other': diff.others[index]?.format } : {}),
        })}
        onKey={binder.onKey}
        isPlan
      />
    </>
  );
}

function columnsOf(plan: Plan, { pinned, constrained }: FormatBinder): GroupColumn[] {
  const { assignments } = plan;
  const mix = (members: readonly number[]): Mix => mixOf(members.map((index) => assignments[index]!));
  const share = shareOf(plan);
  const bitsPerWeight = (members: readonly number[]): number => mix(members).bitsPerWeight;
  return [
    {
      ...{
        id: 'bits',
        label: l10n.t('Bits per weight'),
        width: 112,
        grows: true,
        align: 'left',
        value: bitsPerWeight,
      },
      cell: (members) => <Track bits={bitsPerWeight(members)} />,
    },
    {
      ...{ id: 'format', label: l10n.t('Format'), width: 96, align: 'left', value: bitsPerWeight },
      saved: { value: ([index = 0]) => assignments[index]?.format },
      cell: (members) => (
        <>
          {formatText(mix(members))}
          {members.every((index) => pinned.has(index)) ? (
            <span
              class="pin"
              title={l10n.t('Pinned: constraints leave no other format')}
              role="img"
              aria-label={l10n.t('pinned')}
            />
          ) : (
            members.some((index) => constrained.has(index)) && (
              <span
                class="pin open"
                title={l10n.t('Constrained')}
                role="img"
                aria-label={l10n.t('constrained')}
              />
            )
          )}
        </>
      ),
      cellTitle: (members) => formatsText(mix(members), members.length),
    },
    {
      ...{ id: 'size', label: l10n.t('Size'), width: 80, value: (members) => mix(members).bytes },
      cell: (members) => size(mix(members).bytes),
      saved: { unit: 'bytes' },
    },
    share
      ? {
          ...{ id: 'share', label: l10n.t('Share'), width: 62, value: share },
          title: l10n.t('Share of the predicted KL divergence that these tensors cause'),
          cell: (members) => percent(share(members)),
        }
      : {
          ...{ id: 'error', label: l10n.t('SQNR'), width: 72, value: (members) => mix(members).error },
          saved: { name: 'relative squared error' },
          title: l10n.t(
            'Signal-to-quantization-noise ratio; for a group, from the mean error over its weights',
          ),
          cell: (members) => errorText(mix(members)),
        },
  ];
}

/** What the other plan gives the tensors, and what the plan has more than it. */
function diffColumns(plan: Plan, diff: PlanDiff): GroupColumn[] {
  const changed = new Set(diff.changed);
  const others = (members: readonly number[]) => members.flatMap((index) => diff.others[index] ?? []);
  const bits = (members: readonly number[]): number => mixOf(others(members)).bitsPerWeight;
  const bytes = (members: readonly number[]): number => differenceOf(plan, diff, members).bytes ?? NaN;
  const loss = (members: readonly number[]): number => differenceOf(plan, diff, members).divergence ?? NaN;
  return [
    {
      ...{ id: 'other', label: l10n.t('Other'), width: 96, align: 'left', value: bits },
      title: l10n.t('Format in {0}', diff.name),
      saved: { name: `Format in ${diff.name}`, value: ([index = 0]) => diff.others[index]?.format },
      cell: (members) =>
        members.some((index) => changed.has(index)) ? (
          formatText(mixOf(others(members)))
        ) : (
          <span class="muted">{l10n.t('same')}</span>
        ),
    },
    {
      ...{ id: 'more', label: l10n.t('± Size'), width: 84, value: bytes },
      title: l10n.t('Size less that in {0}', diff.name),
      saved: { name: `Size less that in ${diff.name}`, unit: 'bytes' },
      cell: (members) => signed(bytes(members), size),
    },
    {
      ...{ id: 'loss', label: l10n.t('± KLD'), width: 76, value: loss },
      title: l10n.t('Predicted KL divergence less that in {0}', diff.name),
      saved: { name: `Predicted KL divergence less that in ${diff.name}`, unit: 'nats' },
      cell: (members) => signed(loss(members), scientific),
    },
  ];
}

/** A difference with its sign; a dash where it is not known, nothing where there is none. */
const signed = (value: number, text: (magnitude: number) => string): string => {
  if (Number.isNaN(value)) return '–';
  return value === 0 ? '' : `${value > 0 ? '+' : '−'}${text(Math.abs(value))}`;
};

/** Empty where an error is unknown: after a format was changed by hand. */
const errorText = ({ error }: Mix): string => (Number.isNaN(error) ? '–' : decibels(error, 1));

function Track({ bits }: { bits: number }) {
  return (
    <span class="track-cell">
      <span class="track" aria-hidden="true">
        <span class="fill" style={{ width: `${100 * bitLength(bits)}%`, background: bitColor(bits) }} />
      </span>
      <span class="track-bits">{bits.toFixed(2)}</span>
    </span>
  );
}

/** The only format, or how many. */
const formatText = ({ formats }: Mix) =>
  formats.length === 0 ? (
    <span class="muted">–</span>
  ) : formats.length === 1 ? (
    formats[0]!.format
  ) : (
    <span class="muted">{l10n.t('{0} formats', formats.length)}</span>
  );

const formatsText = ({ formats }: Mix, members: number): string | undefined =>
  members === 1
    ? undefined
    : formats.map(({ format, tensors }) => `${tensors.toLocaleString('en-US')} × ${format}`).join(', ');
