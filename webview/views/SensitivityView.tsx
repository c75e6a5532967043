import * as l10n from '@vscode/l10n';
import { useMemo } from 'preact/hooks';
import type { Device } from '../../src/protocol/device';
import { isInBlock, sampleText, type GainsSample } from '../../src/protocol/gains';
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
import { GroupingSelect, tableGroupings } from './GroupingSelect';
import { RunDuration } from './RunDuration';
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
  if (!figures) return <Loading>{l10n.t('Reading the measurements…')}</Loading>;
  const measure = figures.gainsFrom ? chosen : 'error';
  return (
    <div class="page sensitivity">
      <div class="measure">
        {figures.gainsFrom && (
          <select
            aria-label={l10n.t('What the table shows')}
            value={measure}
            onChange={(event) => setChosen(event.currentTarget.value as Measure)}
          >
            <option value="influence">{l10n.t('KL divergence of the output, predicted')}</option>
            <option value="error">{l10n.t('Signal-to-quantization-noise ratio')}</option>
          </select>
        )}
        <GroupingSelect
          label={l10n.t('Group tensors')}
          groupings={tableGroupings}
          value={grouping}
          onChange={setGrouping}
        />
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
        {l10n.t(
          'Quantizes every weight matrix to every candidate format and measures the errors, then runs the model over a text (one next to the model, or a general one) to measure how each matrix affects its output. This happens in a process of its own. Results are stored and reused.',
        )}
      </p>
      <Run primary /> <RunOverText />
      <RunDuration />
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
      title={l10n.t('Measures what has not been measured yet')}
      onClick={() => void ask('runSensitivity', {})}
    >
      {l10n.t('Run Sensitivity')}
    </Button>
  );
}

function RunOverText() {
  const ask = useAsk();
  const { job } = useAppState();
  return (
    <Button
      disabled={job.kind === 'running'}
      title={l10n.t('Runs the model over a text and measures how each tensor affects its output')}
      onClick={() => void ask('runSensitivityOverText', {})}
    >
      {l10n.t('Run over a Text…')}
    </Button>
  );
}

function Cells(props: { figures: Figures; measure: Measure; grouping: Grouping }) {
  const { figures, measure, grouping } = props;
  const columns = useMemo(() => columnsOf(figures, measure), [figures, measure]);
  return (
    <GroupedGrid
      id="sensitivity"
      label={l10n.t('Sensitivity of each tensor')}
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
  const lines = [
    l10n.t('relative squared error {0}, largest error {1}', number(error, 4), number(maxError, 3)),
  ];
  const [first = 0] = members;
  const source = members.length === 1 ? rows[first]?.measured : undefined;
  if (gainsFrom && influence !== undefined) {
    const found =
      gainsFrom.by && isInBlock(rows[first]!.tensor) ? l10n.t('by the curvature') : l10n.t('measured');
    const how = source?.format === format ? found : l10n.t('predicted');
    lines.push(l10n.t('KL divergence {0} nats per token, {1}', scientific(influence), how));
    if (source && source.format !== format)
      lines.push(l10n.t('from {0} {1} in {2}', scientific(source.divergence), found, source.format));
    const gain = members.length === 1 && !source ? gainText(rows[first]!, gainsFrom.sample) : undefined;
    if (gain !== undefined) lines.push(gain);
  }
  if (members.length > 1)
    lines.push(
      l10n.t('{0} of {1} measured', measured.toLocaleString('en-US'), plural(members.length, 'tensor')),
    );
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
  if (isEstimated) return l10n.t('with a gain that is estimated from the role of the tensor');
  return sample && l10n.t('with a gain {0}', sampleText(sample));
}

/** What the figures are, in a sentence, and how they were obtained, for those who ask. */
function Caption({ figures, measure }: { figures: Figures; measure: Measure }) {
  const { job } = useAppState();
  const { gainsFrom, weightsOnly, devices } = figures;
  const isRunning = job.kind === 'running';
  if (measure === 'error' || !gainsFrom)
    return (
      <p class="muted caption">
        {l10n.t('Signal-to-quantization-noise ratio (SQNR) in dB; {0}.', measuredText(figures))}
        {weightsOnly !== undefined && !isRunning && l10n.t(' From the weights alone: {0}', weightsOnly)}
      </p>
    );
  const { text, tokens, context, by } = gainsFrom;
  const source = by
    ? l10n.t('gradients of one backward pass (tensors of blocks) or one measurement (others)')
    : l10n.t('one measurement per tensor');
  return (
    <>
      <p class="muted caption">
        {l10n.t(
          'Predicted KL divergence of the output when the tensor alone is quantized, nats per token, over {0} tokens of {1}; {2}.',
          tokens.toLocaleString('en-US'),
          text.replace(/^.*[\\/]/, ''),
          measuredText(figures),
        )}
      </p>
      <details class="muted caption">
        <summary>{l10n.t('How these figures were obtained')}</summary>
        {l10n.t(
          'The error of the weights in the format × the tensor’s gain, which comes from {0}, in windows of {1} tokens; that of a group is the sum. “< noise” is below {2}, which float32 rounding alone causes. Errors were measured on {3}.',
          source,
          context.toLocaleString('en-US'),
          scientific(noiseOf(gainsFrom)),
          devices.map((device) => deviceNames[device]).join(l10n.t(' and ')),
        )}
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
    : l10n.t('{0} of {1} so far', measured.toLocaleString('en-US'), plural(rows.length, 'tensor'));
}

const deviceNames: Readonly<Record<Device, string>> = {
  cpu: l10n.t('the native addon'),
  'ort-cpu': l10n.t('ONNX Runtime (CPU)'),
  cuda: 'CUDA',
  webgpu: 'WebGPU',
};
