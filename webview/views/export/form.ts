import * as l10n from '@vscode/l10n';
import type {
  CodeChoice,
  ExportCalibration,
  Objective,
  SplitSettings,
  TensorTypeRule,
} from '../../../src/protocol/export';
import type { PanelSettings } from '../../../src/protocol/exportChoices';
import { defined } from '../../../src/protocol/defined';
import { countOf } from '../../formValues';

/** Targets that are not file types. */
export const targets = { currentPlan: '', planFile: 'plan file', copy: 'COPY' } as const;

/** Settings of the export panel; texts are kept as typed. */
export interface ExportForm {
  /** Name of a file type, or one of `targets`. */
  readonly type: string;
  /** For the target `planFile`. */
  readonly planFile: string;
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
  /** '' for those of the plan, and of llama.cpp for a file type. */
  readonly codes: CodeChoice | '';
  readonly objective: Objective;
  /** Text for optimised codes; '' for that of the plan, or of the latest pass. */
  readonly calibrationText: string;
  readonly calibrationTokens: string;
  readonly calibrationContext: string;
}

export const emptyForm: ExportForm = {
  type: 'Q4_K_M',
  planFile: '',
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
  codes: '',
  objective: 'two-sided',
  calibrationText: '',
  calibrationTokens: '',
  calibrationContext: '',
};

const words = (text: string): string[] => text.split(/[\s,]+/).filter((word) => word !== '');

/**
 * The form as settings; empty fields are omitted.
 * @throws Error with a sentence for a field that is not valid.
 */
export function settingsOf(form: ExportForm): PanelSettings {
  const list = (text: string): string[] | undefined => (words(text).length > 0 ? words(text) : undefined);
  const lines = form.overrides.split('\n').filter((line) => line.trim() !== '');
  return defined<PanelSettings>({
    ...targetOf(form),
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
    ...codesOf(form),
  });
}

function targetOf({ type, planFile }: ExportForm): Pick<PanelSettings, 'type' | 'planFile' | 'usePlan'> {
  if (type === targets.currentPlan) return { usePlan: true };
  if (type !== targets.planFile) return { type };
  if (planFile === '') throw new Error(l10n.t('Choose a plan file.'));
  return { planFile };
}

/** Whether the target is a plan, which says itself how codes are found. */
export const isPlan = ({ type }: Pick<ExportForm, 'type'>): boolean =>
  type === targets.currentPlan || type === targets.planFile;

/** Whether codes are optimised, or may be as the plan says. */
export const mayOptimise = (form: Pick<ExportForm, 'type' | 'codes'>): boolean =>
  form.type !== targets.copy && (form.codes === 'optimised' || (form.codes === '' && isPlan(form)));

/** What is said about codes: an objective where they may be optimised, a text where they are. */
function codesOf(form: ExportForm): Pick<PanelSettings, 'codes' | 'objective' | 'calibration'> {
  if (form.type === targets.copy) return {};
  return defined({
    codes: form.codes || undefined,
    objective: mayOptimise(form) && form.objective !== emptyForm.objective ? form.objective : undefined,
    calibration: form.codes === 'optimised' ? calibrationOf(form) : undefined,
  });
}

function calibrationOf({
  calibrationText: text,
  calibrationTokens,
  calibrationContext,
}: ExportForm): ExportCalibration | undefined {
  if (text === '') return undefined;
  return defined<ExportCalibration>({
    text,
    tokens: countOf(calibrationTokens, l10n.t('Calibration tokens')),
    context: countOf(calibrationContext, l10n.t('Tokens per window')),
  });
}

function blocksOf(text: string): number[] | undefined {
  const listed = words(text);
  if (listed.length === 0) return undefined;
  const strange = listed.find((word) => !/^\d+$/.test(word));
  if (strange !== undefined) throw new Error(l10n.t('“{0}” is not a block number.', strange));
  return listed.map(Number);
}

function splitOf({ split, splitLimit }: ExportForm): SplitSettings | undefined {
  if (split === 'none') return undefined;
  if (split === 'keep') return { kind: 'keep' };
  const limit = Number(splitLimit);
  if (splitLimit.trim() === '' || !(limit >= 1))
    throw new Error(
      split === 'bytes'
        ? l10n.t('Enter the maximum size of a part in MB.')
        : l10n.t('Enter the maximum number of tensors per part.'),
    );
  return split === 'bytes'
    ? { kind: 'bytes', value: limit * 1e6 }
    : { kind: 'tensors', value: Math.floor(limit) };
}

/** The pattern that matches only this name. */
export const patternOf = (name: string): string => `^${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`;

/** A rule for one tensor before the others; without a type the rule is removed. */
export function withRule(rules: readonly TensorTypeRule[], tensor: string, type: string): TensorTypeRule[] {
  const pattern = patternOf(tensor);
  const others = rules.filter((rule) => rule.pattern !== pattern);
  return type === '' ? others : [{ pattern, type }, ...others];
}

const folded = ['includeWeights', 'excludeWeights', 'pruneLayers', 'overrides', 'split'] as const;

/** Number of folded options that are set. */
export const moreSet = (form: ExportForm): number =>
  folded.filter((name) => form[name] !== emptyForm[name]).length;

export const isEmpty = (form: ExportForm): boolean =>
  (Object.keys(emptyForm) as (keyof ExportForm)[]).every(
    (name) => form[name] === emptyForm[name] || (name === 'rules' && form.rules.length === 0),
  );
