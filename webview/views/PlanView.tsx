import { useEffect, useRef, useState } from 'preact/hooks';
import {
  budgetRange,
  type Budget,
  type Plan,
  type PlanAssignment,
  type SensitivityTable,
} from '../../src/protocol/plan';
import { bitColor, bitLength } from '../bitScale';
import { useApp, useAppState, useAsk } from '../context';
import { Button, TextField } from '../controls';
import { decibels, figure, percent, size } from '../format';
import { sharesOf } from '../influence';
import { FormatBadge } from './FormatBadge';

/** The budget and what it buys: a slider, totals, and a bar per tensor. */
export function PlanView() {
  const ask = useAsk();
  const { sensitivity, plan, job } = useAppState();
  const range = sensitivity?.rows.length ? budgetRange(sensitivity) : undefined;
  // Undefined until somebody moves it: a plan that was read from a file is shown as it is.
  const [moved, setMoved] = useState<number>();
  const [typed, setTyped] = useState<string>();
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
    <>
      <div class="budget">
        <label for="budget">Budget</label>
        <input
          id="budget"
          type="range"
          min={range.min}
          max={range.max}
          step={0.01}
          value={budget}
          onInput={(event) => {
            setTyped(undefined);
            setMoved(Number(event.currentTarget.value));
          }}
        />
        <TextField
          value={typed ?? budget.toFixed(2)}
          label="Bits per weight"
          width="104px"
          onInput={(text) => {
            setTyped(text);
            const value = Number(text);
            if (value >= range.min && value <= range.max) setMoved(value);
          }}
          onBlur={() => setTyped(undefined)}
        />
        <span>bits per weight</span>
      </div>
      {failure !== undefined && <p class="notice error">{failure}</p>}
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
      {plan && <Bars plan={plan} sensitivity={sensitivity} />}
    </>
  );
}

/** Re-solves when the budget moves, at most one request at a time; the last budget always wins. */
function useSolved(
  sensitivity: SensitivityTable | undefined,
  budget: number | undefined,
): string | undefined {
  const { host, store } = useApp();
  const [failure, setFailure] = useState<string>();
  const wanted = useRef(budget);
  const busy = useRef(false);
  useEffect(() => {
    wanted.current = budget;
    if (!sensitivity || budget === undefined || busy.current) return;
    busy.current = true;
    const solve = async (): Promise<void> => {
      for (let solved: number | undefined; wanted.current !== undefined && solved !== wanted.current;) {
        solved = wanted.current;
        const plan = await host.call('solvePlan', { budget: { kind: 'bits-per-weight', value: solved } });
        store.update({ plan });
      }
    };
    solve()
      .then(() => setFailure(undefined))
      .catch((error: unknown) => setFailure(error instanceof Error ? error.message : String(error)))
      .finally(() => (busy.current = false));
  }, [sensitivity, budget]);
  return failure;
}

function Totals({ plan }: { plan: Plan }) {
  const counts = new Map<string, number>();
  for (const { format } of plan.assignments) counts.set(format, (counts.get(format) ?? 0) + 1);
  return (
    <dl class="statistics totals">
      <div>
        <dt>bits per weight</dt>
        <dd>{plan.total.bitsPerWeight.toFixed(3)}</dd>
      </div>
      <div>
        <dt>tensor data</dt>
        <dd>{size(plan.total.bytes)}</dd>
      </div>
      {plan.total.error !== undefined && (
        <>
          <div>
            <dt>relative error</dt>
            <dd>{figure(Math.sqrt(plan.total.error))}</dd>
          </div>
          <div>
            <dt>SQNR</dt>
            <dd>{decibels(plan.total.error, 2)}</dd>
          </div>
        </>
      )}
      {plan.total.divergence !== undefined && (
        <div class="wide">
          <dt>KL divergence to expect</dt>
          <dd>{figure(plan.total.divergence, 3)} nats per token</dd>
        </div>
      )}
      <div class="wide">
        <dt>tensors</dt>
        <dd>
          {[...counts].map(([format, tensors]) => (
            <span key={format} class="tally">
              {tensors} × <FormatBadge format={format} />
            </span>
          ))}
        </dd>
      </div>
    </dl>
  );
}

/**
 * Length: bits per weight on a scale to 16; colour: the format. The number is the tensor's share of the divergence to expect, else
 * its signal to noise.
 */
function Bars({ plan, sensitivity }: { plan: Plan; sensitivity: SensitivityTable }) {
  const { store } = useApp();
  const shares = sharesOf(plan, sensitivity);
  const label = ({ tensor, relativeSquaredError }: PlanAssignment): string => {
    if (shares) return percent(shares.get(tensor)!);
    return relativeSquaredError === undefined ? '' : decibels(relativeSquaredError, 1);
  };
  return (
    <>
      {shares && <p class="muted">In percent: each tensor's share of the KL divergence to expect.</p>}
      <div
        class="bars"
        role="list"
        aria-label={`Format of each tensor${shares ? ' and its share of the KL divergence' : ''}`}
      >
        {plan.assignments.map((item) => (
          <div
            key={item.tensor}
            class="bar"
            role="listitem"
            data-tensor={item.tensor}
            data-format={item.format}
            onClick={() => store.select(item.sources)}
          >
            <span class="label" title={item.tensor}>
              {item.tensor.replace(/^model\.|\.weight$/g, '')}
            </span>
            <span class="track">
              <span
                class="fill"
                style={{
                  width: `${100 * bitLength(item.bitsPerWeight)}%`,
                  background: bitColor(item.bitsPerWeight),
                }}
              />
            </span>
            <span class="format">{item.format}</span>
            <span class="error muted" title={shares && 'Share of the KL divergence to expect'}>
              {label(item)}
            </span>
          </div>
        ))}
      </div>
    </>
  );
}
