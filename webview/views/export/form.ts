import type { SplitSettings, TensorTypeRule } from '../../../src/protocol/export';
import type { PanelSettings } from '../../../src/protocol/webview';

/** What a person has set on the export panel; texts are kept as they were typed. */
export interface ExportForm {
  /** Name of a file type; empty for the editor's plan. */
  readonly type: string;
  readonly imatrix: string;
  readonly includeWeights: string;
  readonly excludeWeights: string;
  readonly pure: boolean;
  readonly leaveOutput: boolean;
  readonly allowRequantize: boolean;
  readonly outputType: string;
  readonly tokenEmbeddingType: string;
  readonly rules: readonly TensorTypeRule[];
  readonly pruneLayers: string;
  readonly overrides: string;
  readonly split: SplitSettings['kind'] | 'none';
  readonly splitLimit: string;
}

export const emptyForm: ExportForm = {
  type: 'Q4_K_M',
  imatrix: '',
  includeWeights: '',
  excludeWeights: '',
  pure: false,
  leaveOutput: false,
  allowRequantize: false,
  outputType: '',
  tokenEmbeddingType: '',
  rules: [],
  pruneLayers: '',
  overrides: '',
  split: 'none',
  splitLimit: '',
};

const words = (text: string): string[] => text.split(/[\s,]+/).filter((word) => word !== '');

/**
 * The form as settings; fields that say nothing are left out.
 * @throws Error with a sentence for a field that makes no sense.
 */
export function settingsOf(form: ExportForm): PanelSettings {
  const list = (text: string): string[] | undefined => (words(text).length > 0 ? words(text) : undefined);
  const lines = form.overrides.split('\n').filter((line) => line.trim() !== '');
  const all = {
    ...(form.type === '' ? { usePlan: true } : { type: form.type }),
    imatrix: form.imatrix || undefined,
    includeWeights: list(form.includeWeights),
    excludeWeights: list(form.excludeWeights),
    pure: form.pure || undefined,
    leaveOutput: form.leaveOutput || undefined,
    allowRequantize: form.allowRequantize || undefined,
    outputType: form.outputType || undefined,
    tokenEmbeddingType: form.tokenEmbeddingType || undefined,
    tensorTypes: form.rules.length > 0 ? form.rules : undefined,
    pruneLayers: blocksOf(form.pruneLayers),
    overrideKeyValues: lines.length > 0 ? lines.map((line) => line.trim()) : undefined,
    split: splitOf(form),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

function blocksOf(text: string): number[] | undefined {
  const listed = words(text);
  if (listed.length === 0) return undefined;
  const strange = listed.find((word) => !/^\d+$/.test(word));
  if (strange !== undefined) throw new Error(`“${strange}” is no number of a block.`);
  return listed.map(Number);
}

function splitOf({ split, splitLimit }: ExportForm): SplitSettings | undefined {
  if (split === 'none') return undefined;
  if (split === 'keep') return { kind: 'keep' };
  const limit = Number(splitLimit);
  if (splitLimit.trim() === '' || !(limit >= 1))
    throw new Error(
      split === 'bytes' ? 'Say how many MB a part may have.' : 'Say how many tensors a part may have.',
    );
  return split === 'bytes'
    ? { kind: 'bytes', value: limit * 1e6 }
    : { kind: 'tensors', value: Math.floor(limit) };
}

/** The pattern that is found in this name alone. */
export const patternOf = (name: string): string => `^${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`;

/** Settings beyond the file type, folded away: whether any is set. */
export function hasMore(form: ExportForm): boolean {
  const { includeWeights, excludeWeights, pruneLayers, overrides, split } = form;
  return (
    [includeWeights, excludeWeights, pruneLayers, overrides].some((text) => text !== '') || split !== 'none'
  );
}
