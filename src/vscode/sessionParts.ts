import type { ModelRef } from '../protocol/model';
import type { HostEvents } from '../protocol/webview';
import { Comparisons } from './comparisons';
import { ModelScans } from './modelScans';
import type { SessionContext } from './sessionContext';
import { Verification } from './verification';

/** An event for the editors of a model. */
export type SessionEvent = {
  [N in keyof HostEvents]: { name: N; payload: HostEvents[N] };
}[keyof HostEvents];

/** What a session belongs to. */
interface Owner {
  readonly path: string;
  readonly model: () => ModelRef;
  readonly fire: (event: SessionEvent) => void;
  /** Fires when the model is released. */
  readonly life: AbortSignal;
}

/** Parts of a session that work on their own, and only tell what they found. */
export interface SessionParts {
  readonly comparisons: Comparisons;
  readonly verification: Verification;
  readonly scans: ModelScans;
}

export function sessionParts(
  { path, model, fire, life }: Owner,
  { engine, log, sensitivityDir, verifiesOnOpening }: SessionContext,
): SessionParts {
  const comparisons = new Comparisons(
    model,
    engine,
    {
      comparison: (payload) => fire({ name: 'comparison', payload }),
      modelComparison: (payload) => fire({ name: 'modelComparison', payload }),
      modelProgress: (payload) => fire({ name: 'modelProgress', payload }),
    },
    life,
  );
  const verification = new Verification(
    ...([model, engine, log] as const),
    {
      readsOnOpening: () => verifiesOnOpening(path),
      shown: (payload) => fire({ name: 'verification', payload }),
    },
    life,
  );
  const scans = new ModelScans(
    ...([model, engine, log, sensitivityDir] as const),
    {
      activity: (payload) => fire({ name: 'scan', payload }),
      figures: (revision) => fire({ name: 'scanned', payload: { revision } }),
    },
    life,
  );
  return { comparisons, verification, scans };
}
