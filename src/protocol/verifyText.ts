import * as l10n from '@vscode/l10n';
import type { Fault, VerifyResult } from './verify';
import { plural, size } from './words';

/** One sentence or more: what was found, and what could not be checked. */
export function verifySummary({
  tensors,
  checkedBytes,
  faults,
  omitted,
  damaged,
  notes,
}: VerifyResult): string {
  const read = l10n.t('{0}, {1} read', plural(tensors, 'tensor'), size(checkedBytes));
  const found =
    faults.length === 0
      ? l10n.t('nothing wrong was found.')
      : `${plural(faults.length + omitted, 'fault')}${damaged.length === 0 ? '' : l10n.t(' in {0}', plural(damaged.length, 'tensor'))}.`;
  return [`${read}: ${found}`, ...notes].join(' ');
}

const isValue = ({ kind }: Fault): boolean => kind === 'values';

/** What faults of files mean: values that are not finite, or saturated, may be those that were written. */
export const damageText = (faults: readonly Fault[]): string =>
  faults.every(isValue)
    ? l10n.t('Some values or scales in these files are not finite, or saturated.')
    : l10n.t('Damaged: these files are not those that were written.');

/** The same of one tensor. */
export const tensorDamageText = (faults: readonly Fault[]): string =>
  faults.every(isValue)
    ? l10n.t('Some values or scales of the tensor are not finite, or saturated.')
    : l10n.t('The tensor is damaged.');

const count = (value: number): string => value.toLocaleString('en-US');

const range = (first: number, last: number): string =>
  first === last ? count(first) : l10n.t('{0} to {1}', count(first), count(last));

/** Where a fault lies in its file: "bytes 1,468,224 to 1,500,991"; empty where it has no place. */
export const byteRange = ({ offset, bytes }: Fault): string =>
  offset === undefined || bytes === undefined || bytes === 0 ? '' : range(offset, offset + bytes - 1);

/** The blocks that a fault touches; empty where it touches none. */
export const blockRange = ({ blocks }: Fault): string => (blocks ? range(blocks.first, blocks.last) : '');

/** A fault in one line, for lists: what is wrong, in which bytes and blocks. */
export function faultText(fault: Fault): string {
  const [bytes, blocks] = [byteRange(fault), blockRange(fault)];
  const places = [bytes && l10n.t('bytes {0}', bytes), blocks && l10n.t('blocks {0}', blocks)].filter(
    (place) => place !== '',
  );
  return places.length === 0 ? fault.message : `${fault.message.replace(/\.$/, '')}: ${places.join(', ')}.`;
}
