import type { ComponentChild } from 'preact';

/**
 * A translated text whose placeholders are elements: `mixed(l10n.t('Written: {0}'), <code>…</code>)`.
 * @param text with `{0}`, `{1}`…, in the order of its language.
 * @returns its pieces, for a child of an element.
 */
export const mixed = (text: string, ...parts: readonly ComponentChild[]): ComponentChild[] =>
  text.split(/\{(\d+)\}/).map((piece, index) => (index % 2 === 0 ? piece : parts[Number(piece)]));
