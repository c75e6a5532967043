/** The texts of the sources, each by itself as its key: the format of VS Code's bundles; and those of `said` alone. */
export function extractTexts(): { texts: Record<string, string>; said: string[] };
