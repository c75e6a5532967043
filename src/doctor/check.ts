import type { DoctorFinding } from '../protocol/doctor';
import type { Code } from './codes';
import type { Patient } from './patient';

/** A change of a text file. */
export interface Fix {
  /** Absolute path. */
  readonly file: string;
  /** A sentence. */
  readonly description: string;
  /** The whole new text. */
  apply(text: string): string;
}

/** What a check has found; its severity follows from the code. */
export interface Found extends Pick<DoctorFinding, 'message' | 'file' | 'tensor' | 'offset' | 'key'> {
  readonly code: Code;
  readonly change?: Fix | undefined;
}

export interface CheckContext {
  readonly report: (found: Found) => void;
  readonly signal?: AbortSignal | undefined;
  readonly onBytes: (tensor: string, bytes: number) => void;
}

/** One subject that is checked. */
export interface Check {
  readonly codes: readonly Code[];
  run(patient: Patient, context: CheckContext): Promise<void> | void;
}
