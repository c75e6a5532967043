/** The texts of the sources, by their keys. */
export function extractTexts(): Promise<Record<string, string | { message: string; comment: string[] }>>;
