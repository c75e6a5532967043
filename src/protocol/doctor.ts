import type { ModelRef } from './model';

/** How bad it is: `error`: wrong results or no loading; `warning`: some programs fail or disagree; `note`: worth a look. */
export type Severity = 'error' | 'warning' | 'note';

export interface DoctorParams extends ModelRef {
  /** Codes that are looked for; all where it is absent. */
  readonly only?: readonly string[];
  /** Reads headers and small files, no weights. */
  readonly headersOnly?: boolean;
  /** Applies the fixes of what is found. */
  readonly fix?: boolean;
}

/** A place in a text file, counted from 1 in UTF-16 units; the end is exclusive. */
export interface TextPlace {
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
}

/** Something wrong with a model, and where. */
export interface DoctorFinding {
  /** Stable: "index/missing-shard"; docs/DOCTOR.md explains each. */
  readonly code: string;
  readonly severity: Severity;
  /** One or more sentences without the place. */
  readonly message: string;
  /** Absolute path. */
  readonly file: string;
  readonly tensor?: string;
  /** Absolute byte offset in the file. */
  readonly offset?: number;
  /** Keys that lead to the place in a JSON file, or the key of a GGUF file. */
  readonly key?: readonly string[];
  /** Where that is in a file of text. */
  readonly place?: TextPlace;
  /** Found by reading weights. */
  readonly weights?: true;
  /** What the fix would do, as a sentence; absent where there is none. */
  readonly fix?: string;
  /** The fix was applied. */
  readonly fixed?: true;
}

export interface DoctorResult {
  readonly path: string;
  /** At most `maxFindings`. */
  readonly findings: readonly DoctorFinding[];
  /** How many more there are. */
  readonly omitted: number;
  /** Bytes of weights that were read. */
  readonly checkedBytes: number;
  /** What was not checked, as sentences. */
  readonly notes: readonly string[];
  /** Files that fixes changed, absolute. */
  readonly written: readonly string[];
  readonly seconds: number;
}

/** Findings of a result. */
export const maxFindings = 1_000;
