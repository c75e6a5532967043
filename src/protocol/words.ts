/**
 * A count and its noun: "1 tensor", "23,342 tensors".
 * @param plural for nouns that take more than an s ("matrices").
 */
export function plural(count: number, noun: string, plural = `${noun}s`): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? noun : plural}`;
}
