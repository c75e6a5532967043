import type { JobState } from '../../src/protocol/webview';
import { useApp, useAppState, useAsk } from '../context';
import { Button } from '../controls';
import { bits, count, seconds, size } from '../format';

/** The model in one line, what can be done with it, and the job that runs. */
export function Header() {
  const { store } = useApp();
  const ask = useAsk();
  const { model, device, job, problem } = useAppState();
  if (!model) return null;
  const name = model.path.replace(/^.*[\\/]/, '');
  const format =
    model.version === undefined ? model.format : `${model.format.toUpperCase()} v${model.version}`;
  const busy = job.kind === 'running';
  return (
    <header>
      <div class="bar">
        <h1 title={model.path}>{name}</h1>
        <span class="facts">
          <span>{model.architecture ?? 'unknown architecture'}</span>
          <span>{format}</span>
          <span>{count(model.parameters)} parameters</span>
          <span>{size(model.dataBytes)}</span>
          {model.parameters > 0 && <span>{bits((8 * model.dataBytes) / model.parameters)} bits/weight</span>}
          {device && (
            <span
              class="device"
              title={device.refused.map((item) => `${item.device}: ${item.reason}`).join('\n')}
            >
              {device.label}
            </span>
          )}
        </span>
        <span class="actions">
          <Button disabled={busy} onClick={() => void ask('runSensitivity', {})}>
            Run Sensitivity
          </Button>
          <Button onClick={() => store.openTab('evaluate')}>Evaluate…</Button>
          <Button primary onClick={() => void ask('exportGguf', { plan: false })}>
            Export GGUF…
          </Button>
        </span>
      </div>
      {model.warnings.map((warning) => (
        <p key={warning} class="notice warning">
          {warning}
        </p>
      ))}
      {problem !== undefined && (
        <p class="notice error" role="alert">
          {problem}
        </p>
      )}
      <JobLine job={job} />
    </header>
  );
}

function JobLine({ job }: { job: JobState }) {
  const ask = useAsk();
  switch (job.kind) {
    case 'idle':
      return null;
    case 'running': {
      const { progress } = job;
      const share = progress && progress.total > 0 ? progress.done / progress.total : 0;
      const left = progress?.secondsLeft === undefined ? '' : `, ${seconds(progress.secondsLeft)} left`;
      return (
        <div class="job" role="status">
          <progress value={share} max={1} />
          <span>
            {job.title}
            {progress && `: ${progress.done} of ${progress.total}${left}`}
          </span>
          <span class="muted ellipsis">{progress?.message}</span>
          <Button onClick={() => void ask('cancelJob', {})}>Cancel</Button>
        </div>
      );
    }
    case 'failed':
      return (
        <p class="notice error" role="alert">
          {job.title} failed. {job.message}
        </p>
      );
    case 'engine-died':
      return (
        <div class="notice error died" role="alert">
          <span>
            {job.title}: the engine process ended.{' '}
            {job.resumable && 'What was done is kept; a restart resumes from there.'}
            <span class="muted"> {job.message}</span>
          </span>
          <Button primary onClick={() => void ask('resumeJob', {})}>
            {job.resumable ? 'Restart and Resume' : 'Restart'}
          </Button>
        </div>
      );
  }
}
