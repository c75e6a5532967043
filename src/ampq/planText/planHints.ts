import type { DocumentHint } from '../../protocol/documentCheck';
import { plural, size } from '../../protocol/words';
import type { BoundAssignment } from './faults';
import type { PlanDocument } from './planDocument';
import { remembered } from './remembered';

/** Bits and bytes of each assignment, whatever the file states, and of all. */
export function planHints({ json }: PlanDocument, bound: readonly BoundAssignment[]): DocumentHint[] {
  if (bound.length === 0) return [];
  const bytes = bound.reduce((sum, item) => sum + item.bytes, 0);
  const weights = bound.reduce((sum, item) => sum + (8 * item.bytes) / item.bitsPerWeight, 0);
  const total = [
    plural(bound.length, 'tensor'),
    `${((8 * bytes) / weights).toFixed(2)} bpw`,
    size(bytes),
  ].join(' · ');
  const bitsText = remembered((bits: number) => `${bits.toFixed(2)} bpw`);
  const sizeText = remembered(size);
  return [
    { offset: json.span('assignments').start + 1, text: total },
    ...bound.map((item) => ({
      offset: json.span('assignments', item.index, 'format').end,
      text: `${bitsText(item.bitsPerWeight)} · ${sizeText(item.bytes)}`,
    })),
  ];
}
