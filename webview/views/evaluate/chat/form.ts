import * as l10n from '@vscode/l10n';
import type { ChatMessage, ChatSide, PanelChat, PanelVariant } from '../../../../src/protocol/chat';
import { defined } from '../../../../src/protocol/defined';
import { countOf } from '../../../formValues';
import { variantOf, variants } from '../form';

/** The variant of another file. */
export const otherFile = 'other file';

/** Settings of a conversation; numbers are kept as typed, '' is not set. */
export interface ChatForm {
  /** As that of the Evaluate page, or `otherFile`. */
  readonly variant: string;
  readonly planFile: string;
  readonly recipeFile: string;
  readonly other: string;
  readonly calibrationText: string;
  readonly system: string;
  readonly temperature: string;
  readonly topP: string;
  readonly seed: string;
  readonly tokens: string;
  /** One a line. */
  readonly stop: string;
}

/** @param other a file that suggests itself. */
export const freshForm = (other: string): ChatForm => ({
  variant: other === '' ? 'type Q4_K_M' : otherFile,
  ...{ planFile: '', recipeFile: '', other, calibrationText: '' },
  ...{ system: '', temperature: '', topP: '', seed: '', tokens: '', stop: '' },
});

/** @throws Error with a sentence for what is missing. */
export function chatVariant(form: ChatForm): PanelVariant {
  if (form.variant !== otherFile) {
    if (form.variant === variants.original) throw new Error(l10n.t('Choose a variant.'));
    return variantOf(form);
  }
  if (form.other === '') throw new Error(l10n.t('Choose the file of the variant.'));
  return { other: form.other };
}

/**
 * The form with a conversation as settings; empty fields are omitted.
 * @throws Error with a sentence for what is missing or invalid.
 */
export function chatSettings(form: ChatForm, messages: readonly ChatMessage[]): PanelChat {
  const stop = form.stop.split('\n').filter((line) => line !== '');
  const system = form.system.trim() === '' ? [] : [{ role: 'system', content: form.system } as const];
  return defined({
    variant: chatVariant(form),
    messages: [...system, ...messages],
    temperature: numberOf(form.temperature, l10n.t('Temperature'), { least: 0, most: 100 }),
    topP: numberOf(form.topP, l10n.t('Top-p'), { above: 0, most: 1 }),
    seed: wholeOf(form.seed, l10n.t('Seed')),
    tokens: countOf(form.tokens, l10n.t('Most tokens')),
    stop: stop.length > 0 ? stop : undefined,
  });
}

function numberOf(
  text: string,
  label: string,
  { least, above, most }: { readonly least?: number; readonly above?: number; readonly most: number },
): number | undefined {
  if (text.trim() === '') return undefined;
  const value = Number(text);
  const isLow = least === undefined ? !(value > above!) : !(value >= least);
  if (!isLow && value <= most) return value;
  throw new Error(
    least === undefined
      ? l10n.t('{0}: “{1}” is not a number above {2}, at most {3}.', label, text, above!, most)
      : l10n.t('{0}: “{1}” is not a number from {2} to {3}.', label, text, least, most),
  );
}

function wholeOf(text: string, label: string): number | undefined {
  if (text.trim() === '') return undefined;
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value;
  throw new Error(l10n.t('{0}: “{1}” is not a whole number.', label, text));
}

/** What was said before the next turn: of a run that ended, with the answer that the conversation goes on with; of another, without its last turn. */
export function turnsBefore(
  messages: readonly ChatMessage[],
  answers: Readonly<Record<ChatSide, { readonly text: string }>> | undefined,
  goOn: ChatSide,
): readonly ChatMessage[] {
  const turns = messages.filter(({ role }) => role !== 'system');
  return answers ? [...turns, { role: 'assistant', content: answers[goOn].text }] : turns.slice(0, -1);
}
