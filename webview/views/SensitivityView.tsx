import { useMemo } from 'preact/hooks';
import { isInBlock, sampleText, type Device, type GainsSample } from '../../src/protocol/plan';
import type { FigureRow } from '../../src/protocol/sensitivityFigures';
import { plural } from '../../src/protocol/words';
import { errorRung } from '../../src/protocol/rungs';
import { useAppState, useAsk } from '../context';
import { Button, Loading } from '../controls';
import { fixed, number, scientific } from '../format';
import {
  influenceText,
  largestInfluence,
  noiseOf,
  summaryOf,
  tintOf,
  type Figures,
  type Summary,
} from '../influence';
import type { Grouping } from '../../src/protocol/places';
import { useFigures } from '../useFigures';
import { Evidence } from './Evidence';
import { GroupedGrid, type GroupColumn } from './GroupedGrid';
import { GroupingSelect } from './GroupingSelect';
import { usePersistent } from '../usePersistent';

/** Signal-to-noise ratios at which a cell has the strongest and the weakest tint (dB). */
const worst = 15;
const best = 50;

/** What the cells show: the error of the weights, or its effect on the model's output. */
type Measure = 'error' | 'influence';

const readMeasure = (stored: unknown): Measure | undefined =>
  stored === 'error' || stored === 'influence' ? stored : undefined;

/** Tensors × formats: how much signal is left over the noise of rounding, or how far the output moves from the original's. */
export function SensitivityView() {
  const { sensitivity } = useAppState();
  const figures = useFigures();
  const [chosen, setChosen] = usePersistent<Measure>('sensitivity.measure', 'influence', readMeasure);
  const [grouping, setGrouping] = usePersistent<Grouping>('sensitivity.grouping', 'layer');
  if (!sensitivity) return <NothingMeasured />;
  if (!figures) return <Loading>Reading the measurements…</Loading>;
  const measure = figures.gainsFrom ? chosen : 'error';
  return (
    <div class="page sensitivity">
      <div class="measure">
        {figures.gainsFrom && (
          <select
            aria-label="What the table shows"
            value={measure}
            onChange={(event) => setChosen(event.currentTarget.value as Measure)}
          >
            <option value="influence">KL divergence of the output, predicted</option>
            <option value="error">Signal-to-quantization-noise ratio</option>
          </select>
        )}
        <GroupingSelect label="Group tensors" value={grouping} onChange={setGrouping} />
        <Run />
        <RunOverText />
      </div>
      <Caption figures={figures} measure={measure} />
      <EvidenceOf measure={measure} />
      <Notes figures={figures} />
      <Cells figures={figures} measure={measure} grouping={grouping} />
    </div>
  );
}

function NothingMeasured() {
  return (
    <div class="empty">
      <p>
        Quantizes every weight matrix to every candidate format and measures the errors, then runs the model
        over a text (one next to the model, or a general one) to measure how each matrix affects its output.
        This happens in a process of its own. Results are stored and reused.
      </p>
      <Run primary /> <RunOverText />
    </div>
  );
}

function Run({ primary = false }: { primary?: boolean }) {
  const ask = useAsk();
  const { job } = useAppState();
  return (
    <Button
      primary={primary}
      disabled={job.kind === 'running'}
      title="Measures what has not been measured yet"
      onClick={() => void ask('runSensitivity', {})}
    >
      Run Sensitivity
    </Button>
  );
}

function RunOverText() {
  const ask = useAsk();
  const { job } = useAppState();
  return (
    <Button
      disabled={job.kind === 'running'}
      title="Runs the model over a text and measures how each tensor affects its output"
      onClick={() => void ask('runSensitivityOverText', {})}
    >
      Run over a Text…
    </Button>
  );
}

function Cells(props: { figures: Figures; measure: Measure; grouping: Grouping }) {
  const { figures, measure, grouping } = props;
  const columns = useMemo(() => columnsOf(figures, measure), [figures, measure]);
  return (
    <GroupedGrid
      id="sensitivity"
      label="Sensitivity of each tensor"
      tensors={figures.rows}
      columns={columns}
      grouping={grouping}
    />
  );
}

function columnsOf(figures: Figures, measure: Measure): GroupColumn[] {
  const largest = largestInfluence(figures);
  const noise = noiseOf(figures.gainsFrom);
  return figures.formats.map((cells) => {
    const { format } = cells;
    const summary = remembered((members) => summaryOf(figures.rows, cells, members));
    return {
      ...{ id: format, label: format, width: 64 },
      cell: (members) => cellText(summary(members), measure, noise),
      cellTitle: (members) => detailOf(summary(members), members, format, figures),
      tint: (members) => tintFor(summary(members), measure, largest * members.length),
      value: (members) =>
        measure === 'error' ? summary(members).error : (summary(members).influence ?? NaN),
      saved: measure === 'error' ? { unit: 'relative squared error' } : { unit: 'nats' },
    };
  });
}

/** The function, computing once for each list: cells ask for their text, their tooltip and their tint. */
function remembered<T>(compute: (members: readonly number[]) => T): (members: readonly number[]) => T {
  const known = new WeakMap<readonly number[], T>();
  return (members) => {
    const found = known.get(members);
    if (found !== undefined) return found;
    const value = compute(members);
    known.set(members, value);
    return value;
  };
}

const missing = <span class="muted">–</span>;

function cellText({ measured, error, influence }: Summary, measure: Measure, noise: number) {
  if (measured === 0) return missing;
  if (measure === 'error') return fixed(signalToNoise(error), 1);
  return influence === undefined ? missing : influenceText(influence, noise);
}

/** dB; ∞ where nothing was lost, NaN where the error is not defined. */
const signalToNoise = (relativeSquaredError: number): number => -10 * Math.log10(relativeSquaredError);

function tintFor(
  { measured, error, influence }: Summary,
  measure: Measure,
  largest: number,
): string | undefined {
  if (measured === 0) return undefined;
  if (measure === 'influence') return influence === undefined ? undefined : tint(tintOf(influence, largest));
  const share = (best - signalToNoise(error)) / (best - worst);
  return Number.isNaN(share) ? undefined : tint(Math.max(0, Math.min(1, share)));
}

/** Percent of the strongest tint: figures on it are still read in all themes. */
const strongest = 34;

/** @param share 0 to 1. */
const tint = (share: number): string =>
  `color-mix(in srgb, var(--vscode-charts-blue) ${Math.round(share * strongest)}%, transparent)`;

/** What a cell's figure is, and how it was obtained. */
function detailOf(
  summary: Summary,
  members: readonly number[],
  format: string,
  { rows, gainsFrom }: Figures,
): string | undefined {
  const { measured, error, influence, maxError } = summary;
  if (measured === 0) return undefined;
  const lines = [`relative squared error ${number(error, 4)}, largest error ${number(maxError, 3)}`];
  const [first = 0] = members;
  const source = members.length === 1 ? rows[first]?.measured : undefined;
  if (gainsFrom && influence !== undefined) {
    const found = gainsFrom.by && isInBlock(rows[first]!.tensor) ? 'by the curvature' : 'measured';
    const how = source?.format === format ? found : 'predicted';
    lines.push(`KL divergence ${scientific(influence)} nats per token, ${how}`);
    if (source && source.format !== format)
      lines.push(`from ${scientific(source.divergence)} ${found} in ${source.format}`);
    const gain = members.length === 1 && !source ? gainText(rows[first]!, gainsFrom.sample) : undefined;
    if (gain !== undefined) lines.push(gain);
  }
  if (members.length > 1)
    lines.push(`${measured.toLocaleString('en-US')} of ${plural(members.length, 'tensor')} measured`);
  return lines.join('\n');
}

function EvidenceOf({ measure }: { measure: Measure }) {
  const { sensitivity } = useAppState();
  if (!sensitivity) return null;
  const { rung, measuredWith } = sensitivity;
  return <Evidence rung={measure === 'error' ? errorRung(measuredWith) : rung} of={measuredWith} />;
}

/** How a gain that was not measured was found. */
function gainText({ isEstimated }: FigureRow, sample: GainsSample | undefined): string | undefined {
  if (isEstimated) return 'with a gain that is estimated from the role of the tensor';
  return sample && `with a gain ${sampleText(sample)}`;
}

/** What the figures are, in a sentence, and how they were obtained, for those who ask. */
function Caption({ figures, measure }: { figures: Figures; measure: Measure }) {
  const { job } = useAppState();
  const { gainsFrom, weightsOnly, devices } = figures;
  const isRunning = job.kind === 'running';
  if (measure === 'error' || !gainsFrom)
    return (
      <p class="muted caption">
        Signal-to-quantization-noise ratio (SQNR) in dB; {measuredText(figures)}.
        {weightsOnly !== undefined && !isRunning && ` From the weights alone: ${weightsOnly}`}
      </p>
    );
  const { text, tokens, context, by } = gainsFrom;
  const source = by
    ? 'gradients of one backward pass (tensors of blocks) or one measurement (others)'
    : 'one measurement per tensor';
  return (
    <>
      <p class="muted caption">
        Predicted KL divergence of the output when the tensor alone is quantized, nats per token, over{' '}
        {tokens.toLocaleString('en-US')} tokens of {text.replace(/^.*[\\/]/, '')}; {measuredText(figures)}.
      </p>
      <details class="muted caption">
        <summary>How these figures were obtained</summary>
        The error of the weights in the format × the tensor’s gain, which comes from {source}, in windows of{' '}
        {context.toLocaleString('en-US')} tokens; that of a group is the sum. “&lt; noise” is below{' '}
        {scientific(noiseOf(gainsFrom))}, which float32 rounding alone causes. Errors were measured on{' '}
        {devices.map((device) => deviceNames[device]).join(' and ')}.
      </details>
    </>
  );
}

/** Tensors without a format or without a measurement, once a run is over, and whether results are kept. */
function Notes({ figures }: { figures: Figures }) {
  const { job } = useAppState();
  const notes = [
    ...(job.kind === 'running' ? [] : figures.notes),
    ...(figures.notKept === undefined ? [] : [figures.notKept]),
  ];
  return notes.map((note) => (
    <p key={note} class="notice note">
      {note}
    </p>
  ));
}

/** "44 tensors", or how many of them during a run. */
function measuredText({ rows, measured }: Figures): string {
  return measured === rows.length
    ? plural(rows.length, 'tensor')
    : `${measured.toLocaleString('en-US')} of ${plural(rows.length, 'tensor')} so far`;
}

const deviceNames: Readonly<Record<Device, string>> = {
  cpu: 'the native addon',
  'ort-cpu': 'ONNX Runtime (CPU)',
  cuda: 'CUDA',
  webgpu: 'WebGPU',
};
