/** The texts of the sources, each by itself as its key: the format of VS Code's bundles. */
export function extractTexts(): Record<string, string>;
