import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import {
  budgetRange,
  verdictOf,
  type Budget,
  type Plan,
  type SensitivityTable,
} from '../../src/protocol/plan';
import { planAfter } from '../../src/protocol/planStep';
import { bitColor, bitLength } from '../bitScale';
import { useApp, useAppState, useAsk } from '../context';
import { Button, TextField } from '../controls';
import { decibels, figure, percent, size } from '../format';
import { mixOf, shareOf, type Mix } from '../planMix';
import type { Grouping } from '../tensorGroups';
import { FormatBadge } from './FormatBadge';
import { GroupedGrid, GroupingSelect, type GroupColumn } from './GroupedGrid';

/** The budget and what it buys: a slider, totals, and the format of each tensor. */
export function PlanView() {
  const ask = useAsk();
  const { sensitivity, plan, job } = useAppState();
  const range = useMemo(
    () => (sensitivity?.rows.length ? budgetRange(sensitivity) : undefined),
    [sensitivity],
  );
  // Undefined until somebody moves it: a plan that was read from a file is shown as it is.
  const [moved, setMoved] = useState<number>();
  const failure = useSolved(sensitivity, moved);
  if (!sensitivity || !range) {
    return (
      <div class="empty">
        <p>
          A plan gives each tensor the format that costs the model least within a size budget. It needs the
          sensitivity table first.
        </p>
        <Button primary disabled={job.kind === 'running'} onClick={() => void ask('runSensitivity', {})}>
          Run Sensitivity
        </Button>
      </div>
    );
  }
  const budget = moved ?? plan?.total.bitsPerWeight ?? (range.min * 3 + range.max) / 4;
  const chosen: Budget =
    moved === undefined && plan ? plan.budget : { kind: 'bits-per-weight', value: budget };
  return (
    <div class="page plan">
      <BudgetControl range={range} budget={budget} move={setMoved} />
      {failure !== undefined && (
        <p class="notice error" role="alert">
          {failure}
        </p>
      )}
      {plan && <Totals plan={plan} />}
      <div class="actions">
        <Button onClick={() => void ask('savePlan', { budget: chosen })}>Save Plan…</Button>
        <Button
          primary
          onClick={() =>
            void ask('exportGguf', { plan: true, ...(moved === undefined ? {} : { budget: chosen }) })
          }
        >
          Export with Plan…
        </Button>
      </div>
      {plan && <Assignments plan={plan} />}
    </div>
  );
}

function BudgetControl(props: {
  range: { min: number; max: number };
  budget: number;
  move: (budget: number) => void;
}) {
  const { range, budget, move } = props;
  const [typed, setTyped] = useState<string>();
  return (
    <div class="budget">
      <label for="budget">Budget</label>
      <input
        id="budget"
        type="range"
        min={range.min}
        max={range.max}
        step={0.01}
        value={budget}
        style={{ '--filled': `${(100 * (budget - range.min)) / (range.max - range.min || 1)}%` }}
        onInput={(event) => {
          setTyped(undefined);
          move(Number(event.currentTarget.value));
        }}
      />
      <TextField
        value={typed ?? budget.toFixed(2)}
        label="Bits per weight"
        width="104px"
        onInput={(text) => {
          setTyped(text);
          const value = Number(text);
          if (value >= range.min && value <= range.max) move(value);
        }}
        onBlur={() => setTyped(undefined)}
      />
      <span>bits per weight</span>
    </div>
  );
}

/** A slider that stays where it is for so long is at rest (milliseconds). */
const restDelay = 250;

/**
 * Solves again when the budget moves, at most one request at a time; the last budget always wins, and is solved exactly once the
 * slider rests.
 */
function useSolved(
  sensitivity: SensitivityTable | undefined,
  budget: number | undefined,
): string | undefined {
  const { host, store } = useApp();
  const [failure, setFailure] = useState<string>();
  const wanted = useRef(budget);
  const busy = useRef(false);
  /** Ends a rest. */
  const wake = useRef<() => void>(() => undefined);
  const last = useRef<{ readonly id: number; readonly plan: Plan }>();
  useEffect(() => {
    wanted.current = budget;
    wake.current();
    if (!sensitivity || budget === undefined || busy.current) return;
    busy.current = true;
    const solve = async (value: number, moving: boolean): Promise<void> => {
      // A plan that came another way than by a step is not one that a step can start from.
      const known = last.current?.plan === store.state.plan ? last.current : undefined;
      const step = await host.call('solvePlan', {
        budget: { kind: 'bits-per-weight', value },
        moving,
        ...(known ? { since: known.id } : {}),
      });
      const plan = planAfter(known?.plan, step);
      last.current = { id: step.id, plan };
      store.update({ plan });
    };
    const follow = async (): Promise<void> => {
      for (let solved: number | undefined; wanted.current !== undefined && solved !== wanted.current;) {
        solved = wanted.current;
        await solve(solved, true);
        if (solved === wanted.current) await rest(wake);
        if (solved === wanted.current) await solve(solved, false);
      }
    };
    follow()
      .then(() => setFailure(undefined))
      .catch((error: unknown) => setFailure(error instanceof Error ? error.message : String(error)))
      .finally(() => (busy.current = false));
  }, [sensitivity, budget]);
  return failure;
}

/** Resolves after the delay, or when the slider moves on. */
function rest(wake: { current: () => void }): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(done, restDelay);
    wake.current = () => {
      clearTimeout(timer);
      done();
    };
  });
}

/** What the plan comes to, beside the preset of its size, by the same figures. */
function Totals({ plan }: { plan: Plan }) {
  const { total, preset, assignments, notes } = plan;
  const { formats } = useMemo(() => mixOf(assignments), [assignments]);
  const verdict = verdictOf(plan);
  return (
    <>
      <dl class="statistics totals">
        <Figure name="bits per weight" plan={total.bitsPerWeight.toFixed(3)} />
        <Figure
          name="tensor data"
          plan={size(total.bytes)}
          {...(preset ? { other: `${preset.fileType}: ${size(preset.bytes)}` } : {})}
        />
        {total.divergence === undefined ? (
          <Errors plan={plan} />
        ) : (
          <Figure
            name="predicted KL divergence (nats per token)"
            plan={figure(total.divergence, 3)}
            {...(preset?.divergence === undefined
              ? {}
              : { other: `${preset.fileType}: ${figure(preset.divergence, 3)}` })}
          />
        )}
        <div class="wide">
          <dt>tensors</dt>
          <dd>
            {formats.map(({ format, tensors }) => (
              <span key={format} class="tally">
                {tensors.toLocaleString('en-US')} × <FormatBadge format={format} />
              </span>
            ))}
          </dd>
        </div>
      </dl>
      {verdict && <p class={verdict.recommended ? 'verdict recommended' : 'verdict'}>{verdict.text}</p>}
      {notes.map((note) => (
        <p key={note} class="notice">
          {note}
        </p>
      ))}
    </>
  );
}

/** Where the model was not run over a text. */
function Errors({ plan: { total, preset } }: { plan: Plan }) {
  return (
    <>
      {total.roleError !== undefined && (
        <Figure
          name="error weighted by role"
          plan={figure(total.roleError, 3)}
          {...(preset ? { other: `${preset.fileType}: ${figure(preset.roleError, 3)}` } : {})}
        />
      )}
      {total.error !== undefined && <Figure name="SQNR" plan={decibels(total.error, 2)} />}
    </>
  );
}

/** A figure of the plan, and that of the preset. */
function Figure({ name, plan, other }: { name: string; plan: string; other?: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{plan}</dd>
      {other !== undefined && <dd class="muted other">{other}</dd>}
    </div>
  );
}

/** Format, bits and size of each tensor; and its share of the predicted divergence, else its signal to noise. */
function Assignments({ plan }: { plan: Plan }) {
  const [grouping, setGrouping] = useState<Grouping>('layer');
  const columns = useMemo(() => columnsOf(plan), [plan]);
  return (
    <>
      <div class="measure">
        <GroupingSelect value={grouping} onChange={setGrouping} />
      </div>
      <GroupedGrid
        id="plan"
        label="Format of each tensor"
        tensors={plan.assignments}
        columns={columns}
        grouping={grouping}
        dataOf={(index) => ({ 'data-format': plan.assignments[index]?.format })}
      />
    </>
  );
}

function columnsOf(plan: Plan): GroupColumn[] {
  const { assignments } = plan;
  const mix = (members: readonly number[]): Mix => mixOf(members.map((index) => assignments[index]!));
  const share = shareOf(plan);
  const bitsPerWeight = (members: readonly number[]): number => mix(members).bitsPerWeight;
  return [
    {
      ...{
        id: 'bits',
        label: 'Bits per weight',
        width: 150,
        grows: true,
        align: 'left',
        value: bitsPerWeight,
      },
      cell: (members) => <Track bits={bitsPerWeight(members)} />,
    },
    {
      ...{ id: 'format', label: 'Format', width: 104, align: 'left', value: bitsPerWeight },
      cell: (members) =>
        mix(members)
          .formats.map(({ format }) => format)
          .join(' '),
      cellTitle: (members) => formatsText(mix(members), members.length),
    },
    {
      ...{ id: 'size', label: 'Size', width: 84, value: (members) => mix(members).bytes },
      cell: (members) => size(mix(members).bytes),
    },
    share
      ? {
          ...{ id: 'share', label: 'Share of KLD', width: 100, value: share },
          title: 'Share of the predicted KL divergence that these tensors cause',
          cell: (members) => percent(share(members)),
        }
      : {
          ...{ id: 'error', label: 'SQNR', width: 100, value: (members) => mix(members).error },
          title: 'Signal to quantization noise; of a group its mean over the weights',
          cell: (members) => errorText(mix(members)),
        },
  ];
}

/** Nothing where an error is not known: after a format was changed by hand. */
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

const formatsText = ({ formats }: Mix, members: number): string | undefined =>
  members === 1
    ? undefined
    : formats.map(({ format, tensors }) => `${tensors.toLocaleString('en-US')} × ${format}`).join(', ');
