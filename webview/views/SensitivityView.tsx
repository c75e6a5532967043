import type { SensitivityCell, SensitivityTable } from '../../src/protocol/plan';
import { useApp, useAppState, useAsk } from '../context';
import { Button } from '../controls';

/** SQNR at which a cell has the strongest and the weakest tint (dB). */
const worst = 15;
const best = 50;

/** Tensors × formats: how much signal is left over the noise of rounding. */
export function SensitivityView() {
  const { store } = useApp();
  const ask = useAsk();
  const { sensitivity, job } = useAppState();
  if (!sensitivity) {
    return (
      <div class="empty">
        <p>
          Measures every 2-D weight in every candidate format, outside VS Code's own processes. Results are
          kept and reused.
        </p>
        <Button primary disabled={job.kind === 'running'} onClick={() => void ask('runSensitivity', {})}>
          Run Sensitivity
        </Button>
      </div>
    );
  }
  const formats = formatsOf(sensitivity);
  return (
    <>
      <p class="muted">
        Signal to quantization noise in dB; {sensitivity.rows.length} tensors, measured on{' '}
        {devicesOf(sensitivity)}.
      </p>
      <table class="sensitivity">
        <thead>
          <tr>
            <th>tensor</th>
            {formats.map((format) => (
              <th key={format}>{format}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {sensitivity.rows.map((row) => (
            <tr key={row.tensor} onClick={() => store.select([row.tensor])}>
              <td class="ellipsis" title={row.tensor}>
                {row.tensor}
              </td>
              {formats.map((format) => (
                <Cell key={format} cell={row.cells.find((item) => item.format === format)} />
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

function Cell({ cell }: { cell: SensitivityCell | undefined }) {
  if (!cell) return <td class="muted">–</td>;
  const share = Math.max(0, Math.min(1, (best - cell.sqnr) / (best - worst)));
  const tint = `color-mix(in srgb, var(--vscode-charts-red) ${Math.round(share * 45)}%, transparent)`;
  return <td style={{ background: tint }}>{cell.sqnr === Infinity ? '∞' : cell.sqnr.toFixed(1)}</td>;
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
