import type { ModelRef } from './model';

/** Forms of a report, by the ending of their files: a page, or a summary in Markdown. */
export const reportEndings = ['html', 'md'] as const;
export type ReportForm = (typeof reportEndings)[number];

export interface ReportParams extends ModelRef {
  /** Where measurements and scans are kept, and results of evaluations. */
  readonly cacheDir: string;
  readonly evaluationDir: string;
  /** The format whose errors are reported, of those that were scanned. */
  readonly format?: string;
}

export interface SavedReport {
  /** Absolute. */
  readonly out: string;
  readonly bytes: number;
  /** What there was to report, as headings. */
  readonly sections: readonly string[];
}

/** What a report says of its making. */
export const madeBy = (version: string, at: Date): string =>
  `Made by Quantscope ${version}, ${at.toISOString().slice(0, 10)}.`;
