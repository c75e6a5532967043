/** A key that stands twice in one object; JSON.parse would keep the last one silently. */
export interface DuplicateKey {
  readonly key: string;
  /** Index of the second occurrence in the text. */
  readonly index: number;
}

/** First duplicate key at the top level of a JSON object's text (which must be valid JSON). */
export function duplicateTopLevelKey(text: string): DuplicateKey | undefined {
  const seen = new Set<string>();
  let depth = 0;
  let expectsKey = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === '"') {
      const end = endOfString(text, i);
      if (depth === 1 && expectsKey) {
        const key = JSON.parse(text.slice(i, end + 1)) as string;
        if (seen.has(key)) return { key, index: i };
        seen.add(key);
        expectsKey = false;
      }
      i = end;
    } else if (character === '{' || character === '[') {
      depth += 1;
      expectsKey = depth === 1;
    } else if (character === '}' || character === ']') {
      depth -= 1;
    } else if (character === ',') {
      expectsKey = depth === 1;
    }
  }
  return undefined;
}

function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === '\\') i += 1;
    else if (text[i] === '"') return i;
  }
  return text.length;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
