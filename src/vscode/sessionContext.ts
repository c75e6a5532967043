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
  /** How sensitivity of a model is measured, by its path and its folder. */
  readonly measuringOf: (path: string, folder: string) => MeasuringSettings;
  /** Whether all weights of a model that has digests are checked when it opens. */
  readonly verifiesOnOpening: (path: string) => boolean;
  /** Where plans are written that an export needs as a file. */
  readonly planDir: string;
}
