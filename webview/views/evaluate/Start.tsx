import { useAppState } from '../../context';
import { Button } from '../../controls';

/** The button that starts a run of either mode, and why it cannot. */
export function Start(props: { problem: string | undefined; label: string; start: () => void }) {
  const { evaluation } = useAppState();
  const isRunning = evaluation !== undefined && evaluation.outcome === undefined;
  return (
    <div class="start">
      <span class="muted" role="status">
        {isRunning ? '' : props.problem}
      </span>
      <Button primary disabled={isRunning || props.problem !== undefined} onClick={props.start}>
        {props.label}
      </Button>
    </div>
  );
}
