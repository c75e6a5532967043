import { Spinner } from '../controls';

/** A dry run that takes long enough to be noticed: with tens of thousands of tensors, or on a busy machine. */
export function DryRunning() {
  return (
    <p class="dry-running muted" role="status">
      <Spinner /> Planning each tensor…
    </p>
  );
}
