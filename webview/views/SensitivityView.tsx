import { useState } from 'preact/hooks';
import type { SensitivityCell, SensitivityRow, SensitivityTable } from '../../src/protocol/plan';
import { useApp, useAppState, useAsk } from '../context';
import { Button } from '../controls';
import { scientific } from '../format';
import { influenceOf, largestInfluence, tintOf } from '../influence';

/** SQNR at which a cell has the strongest and the weakest tint (dB). */
const worst = 15;
const best = 50;

/** What the cells say: the error of the weights, or what it does to the model's output. */
type Measure = 'error' | 'influence';

/** Tensors × formats: how much signal is left over the noise of rounding, or how far the output goes from the original's. */
export function SensitivityView() {
  const { sensitivity } = useAppState();
  const [chosen, setChosen] = useState<Measure>('influence');
  if (!sensitivity) return <NothingMeasured />;
  const measure = sensitivity.gainsFrom ? chosen : 'error';
  return (
    <>
      <div class="measure">
        {sensitivity.gainsFrom && (
          <select
            aria-label="What the table shows"
            value={measure}
            onChange={(event) => setChosen(event.currentTarget.value as Measure)}
          >
            <option value="influence">KL divergence of the output</option>
            <option value="error">Signal to quantization noise</option>
          </select>
        )}
        <RunOverText />
      </div>
      <p class="muted">{captionOf(sensitivity, measure)}</p>
      <Cells sensitivity={sensitivity} measure={measure} />
    </>
  );
}

function NothingMeasured() {
  const ask = useAsk();
  const { job } = useAppState();
  return (
    <div class="empty">
      <p>
        Measures every 2-D weight in every candidate format, outside VS Code's own processes. Over a text it
        also measures what each of them does to the model's output. Results are kept and reused.
      </p>
      <Button primary disabled={job.kind === 'running'} onClick={() => void ask('runSensitivity', {})}>
        Run Sensitivity
      </Button>{' '}
      <RunOverText />
    </div>
  );
}

function RunOverText() {
  const ask = useAsk();
  const { job } = useAppState();
  return (
    <Button
      disabled={job.kind === 'running'}
      title="Runs the model over a text and measures what each tensor does to its output"
      onClick={() => void ask('runSensitivityOverText', {})}
    >
      Run over a Text…
    </Button>
  );
}

function Cells({ sensitivity, measure }: { sensitivity: SensitivityTable; measure: Measure }) {
  const { store } = useApp();
  const formats = formatsOf(sensitivity);
  const largest = largestInfluence(sensitivity);
  return (
    <table class="sensitivity">
      <thead>
        <tr>
          <th scope="col">tensor</th>
          {formats.map((format) => (
            <th key={format} scope="col">
              {format}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {sensitivity.rows.map((row) => (
          <tr key={row.tensor} onClick={() => store.select(row.sources)}>
            <td class="ellipsis" title={row.tensor}>
              {row.tensor}
            </td>
            {formats.map((format) => {
              const cell = row.cells.find((item) => item.format === format);
              return measure === 'error' ? (
                <ErrorCell key={format} cell={cell} />
              ) : (
                <InfluenceCell key={format} row={row} cell={cell} largest={largest} />
              );
            })}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function ErrorCell({ cell }: { cell: SensitivityCell | undefined }) {
  if (!cell) return <td class="muted">–</td>;
  const share = Math.max(0, Math.min(1, (best - cell.sqnr) / (best - worst)));
  return <td style={{ background: tint(share) }}>{cell.sqnr === Infinity ? '∞' : cell.sqnr.toFixed(1)}</td>;
}

function InfluenceCell(props: { row: SensitivityRow; cell: SensitivityCell | undefined; largest: number }) {
  const influence = props.cell && influenceOf(props.row, props.cell.relativeSquaredError);
  if (influence === undefined) return <td class="muted">–</td>;
  return <td style={{ background: tint(tintOf(influence, props.largest)) }}>{scientific(influence)}</td>;
}

/** @param share 0 to 1. */
const tint = (share: number): string =>
  `color-mix(in srgb, var(--vscode-charts-red) ${Math.round(share * 45)}%, transparent)`;

function captionOf(table: SensitivityTable, measure: Measure): string {
  const where = `${table.rows.length} tensors, measured on ${devicesOf(table)}`;
  if (measure === 'error' || !table.gainsFrom) return `Signal to quantization noise in dB; ${where}.`;
  const { text, tokens } = table.gainsFrom;
  const name = text.replace(/^.*[\\/]/, '');
  return (
    'KL divergence of the output from the original’s that the tensor alone causes in the format, nats per token; ' +
    `from ${tokens.toLocaleString('en-US')} tokens of ${name}. ${where}.`
  );
}

function formatsOf(table: SensitivityTable): string[] {
  const widths = new Map(
    table.rows.flatMap((row) => row.cells.map((cell) => [cell.format, cell.bitsPerWeight] as const)),
  );
  return [...widths].sort((a, b) => a[1] - b[1]).map(([format]) => format);
}

function devicesOf(table: SensitivityTable): string {
  const names = { cpu: 'the native addon', 'ort-cpu': 'ONNX Runtime (CPU)', cuda: 'CUDA', webgpu: 'WebGPU' };
  return [...new Set(table.rows.flatMap((row) => row.cells.map((cell) => names[cell.device])))].join(' and ');
}
