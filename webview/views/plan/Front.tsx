import * as l10n from '@vscode/l10n';
import { mixed } from '../../mixed';
import { useMemo, useRef } from 'preact/hooks';
import type { Plan } from '../../../src/protocol/plan';
import type { PlanFront } from '../../../src/protocol/planFront';
import { errorRung, type Rung } from '../../../src/protocol/rungs';
import { size } from '../../../src/protocol/words';
import type { BudgetRange } from '../../budgetText';
import { useAppState } from '../../context';
import { useWidth } from '../../useWidth';
import { ChartFrame } from '../../charts/ChartFrame';
import { FrontChart, frontData, lossWords } from '../../charts/FrontChart';
import { withDiamond } from '../../charts/picture';
import { plotPicture, readColors } from '../../charts/plot';
import { frontHeight, frontMargin } from '../../frontNames';
import { RungMark } from '../Evidence';
import {
  bitsOfSizes,
  frontScale,
  lossOf,
  measuredPoints,
  shareOfLoss,
  shareOfSize,
  sizeAt,
  type FrontScale,
  type MeasuredPoint,
} from '../../frontScale';

/** Bits per weight of an arrow key, and of a page key. */
const steps = { arrow: 0.01, page: 0.25 } as const;

interface FrontProps {
  readonly front: PlanFront;
  readonly plan: Plan;
  readonly range: BudgetRange;
  /** Bits per weight. */
  readonly budget: number;
  readonly move: (budget: number) => void;
  readonly disabled: boolean;
}

/** The front of plans and the budget on it, where anything is lost at some size. */
export function Front(props: FrontProps) {
  const { front, plan } = props;
  const measured = useMemo(() => measuredPoints(plan, front), [plan.certificate, front]);
  const scale = useMemo(() => frontScale(front, measured), [front, measured]);
  if (scale) return <FrontOf {...{ ...props, measured, scale }} />;
  return (
    <p class="muted">
      {l10n.t('Nothing is lost at any size: the measured formats hold these weights exactly.')}
    </p>
  );
}

interface FrontOfProps extends FrontProps {
  readonly measured: readonly MeasuredPoint[];
  readonly scale: FrontScale;
}

/** The budget is dragged, moved by keys, or set to the size of a preset by a click. */
function FrontOf({ front, plan, range, budget, move, disabled, measured, scale }: FrontOfProps) {
  const rung = useFrontRung(front);
  const loss = lossOf(plan, front);
  const box = useRef<HTMLDivElement>(null);
  const drawn = useRef<HTMLElement>(null);
  const width = useWidth(box);
  const clamped = (bits: number): number => Math.min(range.max, Math.max(range.min, bits));
  return (
    <ChartFrame
      title={l10n.t('Size and loss')}
      data={() => frontData(front, measured)}
      picture={async () => {
        const picture = await plotPicture(drawn.current);
        return picture && loss !== undefined
          ? withDiamond(picture, placeOf(scale, plan.total.bytes, loss, picture.width), readColors())
          : picture;
      }}
    >
      <div class="front" ref={box} style={{ height: `${frontHeight}px` }}>
        <FrontChart
          front={front}
          scale={scale}
          width={width}
          measured={measured}
          drawn={drawn}
          plan={loss === undefined ? undefined : { bytes: plan.total.bytes, loss }}
          choose={({ bitsPerWeight }) => {
            if (!disabled) move(clamped(bitsPerWeight));
          }}
        />
        {loss !== undefined && <Diamond scale={scale} bytes={plan.total.bytes} loss={loss} />}
        <BudgetLine {...{ front, scale, range, budget, disabled }} move={(bits) => move(clamped(bits))} />
      </div>
      <Legend front={front} measured={measured} rung={rung} />
    </ChartFrame>
  );
}

/** What the losses of the front rest on. */
function useFrontRung({ measure }: PlanFront): Rung {
  const { sensitivity } = useAppState();
  if (measure === 'divergence') return sensitivity?.rung ?? 'weights';
  return errorRung(sensitivity?.measuredWith ?? {});
}

/** The place of a size; one outside of the chart is at its edge. */
const leftOf = (scale: FrontScale, bytes: number): string => {
  const share = Math.min(1, Math.max(0, shareOfSize(scale, bytes)));
  return `calc(${frontMargin.left}px + ${share} * (100% - ${frontMargin.left + frontMargin.right}px))`;
};

/** Pixels of a point of a chart of that width. */
const placeOf = (scale: FrontScale, bytes: number, loss: number, width: number) => ({
  x:
    frontMargin.left +
    Math.min(1, Math.max(0, shareOfSize(scale, bytes))) * (width - frontMargin.left - frontMargin.right),
  y: topOf(scale, loss),
});

const topOf = (scale: FrontScale, loss: number): number =>
  frontMargin.top + shareOfLoss(scale, loss) * (frontHeight - frontMargin.top - frontMargin.bottom);

/** The plan that is shown. */
function Diamond({ scale, bytes, loss }: { scale: FrontScale; bytes: number; loss: number }) {
  const style = { left: leftOf(scale, bytes), top: `${topOf(scale, loss)}px` };
  return <span class="front-plan" aria-hidden="true" style={style} />;
}

function BudgetLine(props: Omit<FrontProps, 'plan'> & { scale: FrontScale }) {
  const { front, scale, range, budget, move, disabled } = props;
  const handle = useRef<HTMLDivElement>(null);
  const sizes = bitsOfSizes(front);
  if (!sizes) return null;
  const drag = (event: PointerEvent): void => {
    const chart = handle.current?.parentElement?.getBoundingClientRect();
    if (!chart || !handle.current?.hasPointerCapture(event.pointerId)) return;
    const width = chart.width - frontMargin.left - frontMargin.right;
    move(sizes.bitsAt(sizeAt(scale, (event.clientX - chart.left - frontMargin.left) / width)));
  };
  const bytes = sizes.bytesAt(budget);
  return (
    <div
      ref={handle}
      class="front-budget"
      role="slider"
      tabIndex={disabled ? -1 : 0}
      aria-label={l10n.t('Budget on the front')}
      aria-disabled={disabled}
      aria-valuemin={range.min}
      aria-valuemax={range.max}
      aria-valuenow={Number(budget.toFixed(2))}
      aria-valuetext={l10n.t('{0} bits per weight, {1}', budget.toFixed(2), size(Math.round(bytes)))}
      title={l10n.t('Drag, or use the arrow keys')}
      style={{
        left: leftOf(scale, bytes),
        top: `${frontMargin.top}px`,
        bottom: `${frontMargin.bottom}px`,
      }}
      onPointerDown={(event) => {
        if (disabled) return;
        event.currentTarget.setPointerCapture(event.pointerId);
      }}
      onPointerMove={drag}
      onKeyDown={(event) => {
        const target = disabled ? undefined : keyTarget(event.key, budget, range);
        if (target === undefined) return;
        event.preventDefault();
        move(target);
      }}
    />
  );
}

/** Where a key moves the budget to; undefined for other keys. */
function keyTarget(key: string, budget: number, { min, max }: BudgetRange): number | undefined {
  const targets: Readonly<Record<string, number>> = {
    ArrowRight: budget + steps.arrow,
    ArrowUp: budget + steps.arrow,
    ArrowLeft: budget - steps.arrow,
    ArrowDown: budget - steps.arrow,
    PageUp: budget + steps.page,
    PageDown: budget - steps.page,
    Home: min,
    End: max,
  };
  return targets[key];
}

function Legend(props: { front: PlanFront; measured: readonly MeasuredPoint[]; rung: Rung }) {
  const { front, measured, rung } = props;
  return (
    <p class="muted caption front-legend">
      <span>
        {mixed(
          l10n.t('{0} best plans by {1} {2}'),
          <i class="mark line" aria-hidden="true" />,
          lossWords[front.measure],
          <RungMark rung={rung} />,
        )}
      </span>
      {front.presets.length > 0 && (
        <span>
          {mixed(
            l10n.t('{0} presets, predicted (click: its size)'),
            <i class="mark preset" aria-hidden="true" />,
          )}
        </span>
      )}
      <span>{mixed(l10n.t('{0} this plan'), <i class="mark plan" aria-hidden="true" />)}</span>
      {measured.length > 0 && (
        <span>
          {mixed(
            l10n.t('△ measured, with 95 % intervals; × a random assignment of this size {0}'),
            <RungMark rung="joint" />,
          )}
        </span>
      )}
    </p>
  );
}
