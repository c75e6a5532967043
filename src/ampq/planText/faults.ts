import type { DocumentFault, FaultCode, Span, TextFix } from '../../protocol/documentCheck';
import type { Candidate, Candidates } from '../candidates';
import type { StatedAssignment } from './planDocument';

/** The model that a plan is checked against. */
export interface CheckedModel {
  readonly name: string;
  readonly hash: string;
  readonly candidates: Candidates;
  /** Its tensors that a plan can choose a format for, by their names in the exported file. */
  readonly byName: ReadonlyMap<string, Candidate>;
  /** Names of the tensors of the model that each of them is made of, in the same order. */
  readonly sources: readonly (readonly string[])[];
}

/** An assignment of which tensor and format are there and fit each other. */
export interface BoundAssignment extends StatedAssignment {
  readonly candidate: Candidate;
  /** Id of the format. */
  readonly format: string;
  readonly bytes: number;
  readonly bitsPerWeight: number;
}

export const fault = (
  code: FaultCode,
  severity: DocumentFault['severity'],
  { start, end }: Span,
  message: string,
  fixes: readonly TextFix[] = [],
): DocumentFault => ({ code, severity, start, end, message, fixes });

/** A fix that puts a text in the place of a string. */
export const replaced = ({ start, end }: Span, text: string, title: string): TextFix => ({
  ...{ start, end, title },
  text: JSON.stringify(text),
});
