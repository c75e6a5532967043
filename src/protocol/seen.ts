/** Files that hold what a page shows: pictures and tables. */
export const seenFiles = {
  png: { label: 'PNG picture', isBase64: true },
  svg: { label: 'SVG picture', isBase64: false },
  csv: { label: 'CSV table', isBase64: false },
  json: { label: 'JSON table', isBase64: false },
  md: { label: 'Markdown', isBase64: false },
} as const;

export type SeenKind = keyof typeof seenFiles;

export interface SeenFile {
  /** What it shows, as a name that the file may have. */
  readonly name: string;
  readonly kind: SeenKind;
  /** Its text, or its bytes as base64 where it is a PNG picture. */
  readonly content: string;
}
