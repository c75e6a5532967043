import type { Devices } from './devices';
import type { Engine, Log, Notices } from './host';
import type { MeasuringSettings } from './sensitivityJob';

/** What the sessions of all models share. */
export interface SessionContext {
  readonly engine: Engine;
  readonly devices: Devices;
  readonly log: Log;
  readonly notices: Notices;
  /** Where measured cells are kept. */
  readonly sensitivityDir: string;
  /** Where calibrations keep what they measured. */
  readonly evidenceDir: string;
  /** What the user has chosen of how sensitivity is measured. */
  readonly measuring: () => MeasuringSettings;
  /** Whether all weights are checked when a model opens that has digests. */
  readonly verifiesOnOpening: () => boolean;
  /** Where plans are written that an export needs as a file. */
  readonly planDir: string;
}
