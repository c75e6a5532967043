import type { ExportSettings, FileTypeDescription } from './export';

/** Settings of the export panel; `usePlan` stands for the editor's plan. */
export type PanelSettings = ExportSettings & { usePlan?: boolean };

export interface ExportChoices {
  readonly fileTypes: readonly FileTypeDescription[];
  readonly tensorTypes: readonly string[];
}
