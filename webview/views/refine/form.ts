import * as l10n from '@vscode/l10n';
import type { TrainedParts } from '../../../src/protocol/refinement';
import type { PanelRefinement, RefinementView } from '../../../src/protocol/refinementView';
import { defined } from '../../../src/protocol/defined';
import { countOf } from '../../formValues';

/** What the tab is set to; numbers are kept as typed, '' is the engine's default. */
export interface RefinementForm {
  readonly original: string;
  readonly text: string;
  readonly parts: TrainedParts;
  readonly steps: string;
  readonly batch: string;
  readonly tokens: string;
  readonly context: string;
}

const textOf = (value: number | undefined): string => (value === undefined ? '' : String(value));

/** The settings that were used last, or what suggests itself for a file that was never refined. */
export function formOf({ settings, suggestions }: RefinementView): RefinementForm {
  return {
    original: settings?.original ?? suggestions.original ?? '',
    text: settings?.text ?? suggestions.text ?? '',
    parts: settings?.parts ?? 'codes',
    steps: textOf(settings?.steps),
    batch: textOf(settings?.batch),
    tokens: textOf(settings?.tokens),
    context: textOf(settings?.context),
  };
}

/**
 * The form as settings; empty fields are omitted.
 * @throws Error with a sentence for what is missing or not valid.
 */
export function settingsOf(form: RefinementForm): PanelRefinement {
  const { original, text, parts } = form;
  if (original === '') throw new Error(l10n.t('Choose the model that the file was made from.'));
  if (text === '') throw new Error(l10n.t('Choose a text.'));
  return defined<PanelRefinement>({
    ...{ original, text, parts: parts === 'codes' ? undefined : parts },
    steps: countOf(form.steps, l10n.t('Steps')),
    batch: countOf(form.batch, l10n.t('Windows of a step')),
    tokens: countOf(form.tokens, l10n.t('Tokens')),
    context: countOf(form.context, l10n.t('Tokens per window')),
  });
}
