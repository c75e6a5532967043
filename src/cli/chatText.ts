import type { CausesResult, ChatEnd, ChatResult, ChatText, ChatToken } from '../protocol/chat';
import { plural } from '../protocol/words';
import { figure, table } from './text';

export interface Found {
  readonly token: ChatToken;
  readonly at: number;
}

/** The tokens of an answer, the one with the largest divergence first. */
const byDivergence = ({ tokens }: ChatText): Found[] =>
  tokens.map((token, at) => ({ token, at })).sort((a, b) => b.token.divergence - a.token.divergence);

export const mostDivergent = (text: ChatText): Found | undefined => byDivergence(text)[0];

/** All tokens before one of the original's answer. */
export const tokensBefore = ({ prompt, original }: ChatResult, at: number): number[] => [
  ...prompt,
  ...original.tokens.slice(0, at).map(({ id }) => id),
];

const ends: Readonly<Record<ChatEnd, string>> = {
  token: 'it ended its turn',
  stop: 'a stop text',
  length: 'the most tokens',
  context: 'the end of the context',
};

export function describe(chat: ChatResult): string[] {
  const { label, original, variant, hasTemplate, prompt } = chat;
  const written = hasTemplate
    ? 'by the chat template'
    : 'as text: the model has no chat template, and both go on with it';
  return [
    `conversation: ${plural(prompt.length, 'token')}, ${written}`,
    ...answerLines('original', original),
    ...answerLines(label, variant),
    '',
    ...tokenLines(chat),
  ];
}

function answerLines(name: string, { text, tokens, end }: ChatText): string[] {
  const lines = text.split(/\r?\n/).map((line) => `  ${line}`);
  return ['', `${name} (${plural(tokens.length, 'token')}, ended by ${ends[end]})`, ...lines];
}

/** How the variant goes along with the answer of the original. */
export function comparison({ original: { tokens } }: ChatResult): string {
  const mean = tokens.reduce((sum, { divergence }) => sum + divergence, 0) / Math.max(1, tokens.length);
  const others = tokens.filter(({ instead }) => instead !== undefined).length;
  return `along the answer of the original: mean KLD ${figure(mean)} nats; the variant chooses another token at ${others} of ${tokens.length}`;
}

/** Tokens that are shown. */
const shownTokens = 10;

function tokenLines(chat: ChatResult): string[] {
  const shown = byDivergence(chat.original).slice(0, shownTokens);
  return [
    comparison(chat),
    ...table(
      ['token', 'KLD, nats', 'p original', 'p variant', 'text', 'variant chooses'],
      shown.map(({ token: { text, divergence, probability, instead }, at }) => [
        ...[at + 1, figure(divergence), figure(probability.original), figure(probability.variant)],
        ...[JSON.stringify(text), instead === undefined ? '' : JSON.stringify(instead)],
      ]),
    ),
  ];
}

/** Tensors that are shown. */
const shownTensors = 12;

export function describeCauses({ text }: ChatToken, { divergence, sum, tensors }: CausesResult): string[] {
  const what = `what moved ${JSON.stringify(text)}: KLD ${figure(divergence)}`;
  if (tensors.length === 0) return ['', `${what}, as no tensor differs`];
  return [
    '',
    `${what}, errors of ${plural(tensors.length, 'tensor')} add up to ${figure(sum)}`,
    ...table(
      ['share', 'effect, nats', 'tensor'],
      tensors
        .slice(0, shownTensors)
        .map(({ tensor, effect, share }) => [`${(100 * share).toFixed(1)} %`, figure(effect), tensor]),
    ),
  ];
}
