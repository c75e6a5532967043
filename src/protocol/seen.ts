import * as l10n from '@vscode/l10n';
/** Files that hold what a page shows: pictures and tables. */
export const seenFiles = {
  png: { label: l10n.t('PNG picture'), isBase64: true },
  svg: { label: l10n.t('SVG picture'), isBase64: false },
  csv: { label: l10n.t('CSV table'), isBase64: false },
  json: { label: l10n.t('JSON table'), isBase64: false },
  md: { label: l10n.t('Markdown'), isBase64: false },
} as const;

export type SeenKind = keyof typeof seenFiles;

export interface SeenFile {
  /** What it shows, as a name that the file may have. */
  readonly name: string;
  readonly kind: SeenKind;
  /** Its text, or its bytes as base64 where it is a PNG picture. */
  readonly content: string;
}
