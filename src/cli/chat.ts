import { addAbortSignal } from 'node:stream';
import { suggestion } from '../model/closest';
import { throwIfCancelled } from '../model/errors';
import { absolutePlace, exists } from '../model/place';
import type {
  CausesResult,
  ChatEnd,
  ChatMessage,
  ChatResult,
  ChatSettings,
  ChatText,
  ChatToken,
  ChatVariant,
} from '../protocol/chat';
import { plural } from '../protocol/words';
import { loraOption } from './adapters';
import {
  countOption,
  flagOption,
  listOption,
  requiredOption,
  textOption,
  textOptions,
  UsageError,
  valueOption,
  type Command,
  type CommandContext,
} from './command';
import { deviceOption } from './device';
import { memoryOf, runOptions } from './runOptions';
import { figure, table } from './text';

export const chatCommand: Command = {
  name: 'chat',
  operand: 'MODEL',
  summary: 'Let a model and a quantized variant of it answer side by side, token by token',
  keepsResults: true,
  options: {
    variant: {
      ...valueOption('V', 'GGUF file, checkpoint, plan (.ampq.json), file type (Q4_K_M…), format or recipe'),
      ...{ required: true, mayBeAddress: true },
    },
    prompt: valueOption('TEXT', 'what the user says (default: all of stdin)'),
    system: valueOption('TEXT', 'system message'),
    temperature: valueOption(
      'T',
      'of the probabilities that tokens are drawn from (default: 0, the most probable)',
    ),
    'top-p': valueOption(
      'P',
      'draw from the most probable tokens that have this share together (default: 1)',
    ),
    seed: valueOption('N', 'of the noise that both models draw with (default: 0)'),
    tokens: valueOption('N', 'most tokens of an answer (default: 128)'),
    stop: listOption('TEXT', 'end an answer before this text'),
    causes: flagOption('show which tensors moved the token of the largest divergence'),
    lora: loraOption,
    ...runOptions,
  },
  async run(context) {
    const { model, jobs, signal, progress, evaluationDir: cacheDir } = context;
    const settings = await settingsOf(context);
    const threads = countOption(context, 'threads');
    const usual = { ...model, cacheDir, ...(threads === undefined ? {} : { threads }) };
    const chat = await jobs['chat/run']({ ...usual, ...settings }, { signal, progress });
    const found = context.options['causes'] === true ? mostDivergent(chat.original) : undefined;
    const causes =
      found &&
      (await jobs['chat/causes'](
        {
          ...usual,
          variant: settings.variant,
          device: settings.device,
          tokens: tokensBefore(chat, found.at),
        },
        { signal, progress },
      ));
    const explained = found && causes && { token: found.at, ...causes };
    return {
      json: { ...chat, ...(explained ? { causes: explained } : {}) },
      lines: [...describe(chat), ...(causes ? describeCauses(found.token, causes) : [])],
    };
  },
};

async function settingsOf(context: CommandContext): Promise<ChatSettings> {
  const tokens = countOption(context, 'tokens');
  const numbers = {
    temperature: numberOption(context, 'temperature', 0, 100),
    topP: numberOption(context, 'top-p', Number.MIN_VALUE, 1),
    seed: seedOption(context),
    tokens,
  };
  const stop = textOptions(context, 'stop');
  return {
    variant: await variantOf(context, requiredOption(context, 'variant')),
    messages: await messagesOf(context),
    ...Object.fromEntries(Object.entries(numbers).filter(([, value]) => value !== undefined)),
    ...(stop.length > 0 ? { stop } : {}),
    ...{ memory: memoryOf(context), device: deviceOption(context) },
  };
}

/** @throws UsageError for anything but a number between the bounds. */
function numberOption(
  context: CommandContext,
  name: string,
  least: number,
  most: number,
): number | undefined {
  const text = textOption(context, name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() !== '' && value >= least && value <= most) return value;
  const bounds = least === 0 ? `from 0 to ${most}` : `above 0, of ${most} at most`;
  throw new UsageError(`--${name} takes a number ${bounds}, not "${text}".`);
}

function seedOption(context: CommandContext): number | undefined {
  const text = textOption(context, 'seed');
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  throw new UsageError(`--seed takes a whole number, not "${text}".`);
}

async function messagesOf(context: CommandContext): Promise<ChatMessage[]> {
  const system = textOption(context, 'system');
  const content = textOption(context, 'prompt') ?? (await allOfStdin(context));
  return [
    ...(system === undefined ? [] : [{ role: 'system', content: system } as const]),
    { role: 'user', content },
  ];
}

async function allOfStdin({ signal, note }: CommandContext): Promise<string> {
  if (process.stdin.isTTY) note('What you say is read from here up to the end of the input (Ctrl+D).');
  const parts: Buffer[] = [];
  try {
    for await (const part of addAbortSignal(signal, process.stdin)) parts.push(part as Buffer);
  } catch (error) {
    throwIfCancelled(signal);
    throw error;
  }
  // The end of the last line is that of the input, not of what the user says.
  return Buffer.concat(parts)
    .toString('utf8')
    .replace(/\r?\n$/, '');
}

/** @throws UsageError for what is neither a file nor the name of a file type, a format or a recipe. */
async function variantOf({ jobs, signal }: CommandContext, named: string): Promise<ChatVariant> {
  const place = absolutePlace(named);
  if (/\.ampq\.json$/i.test(named)) return { planFile: place };
  if (await exists(place)) return { other: place };
  const context = { signal, progress: () => undefined };
  const types = (await jobs['export/fileTypes']({}, context)).fileTypes.map(({ name }) => name);
  if (types.includes(named)) return { type: named };
  const formats = (await jobs['formats/list']({}, context)).map(({ id }) => id);
  if (formats.includes(named)) return { format: named };
  const recipes = (await jobs['recipes/list']({}, context)).recipes.map(({ recipe: { id } }) => id);
  if (recipes.includes(named)) return { recipe: { recipe: named } };
  const close = suggestion(named, [...types, ...formats, ...recipes]);
  throw new UsageError(`--variant: there is no file, file type, format or recipe "${named}".${close}`);
}

interface Found {
  readonly token: ChatToken;
  readonly at: number;
}

function mostDivergent({ tokens }: ChatText): Found | undefined {
  const all = tokens.map((token, at) => ({ token, at }));
  return all.sort((a, b) => b.token.divergence - a.token.divergence)[0];
}

/** All tokens before one of the original's answer. */
const tokensBefore = ({ prompt, original }: ChatResult, at: number): number[] => [
  ...prompt,
  ...original.tokens.slice(0, at).map(({ id }) => id),
];

const ends: Readonly<Record<ChatEnd, string>> = {
  token: 'it ended its turn',
  stop: 'a stop text',
  length: 'the most tokens',
  context: 'the end of the context',
};

function describe(chat: ChatResult): string[] {
  const { label, original, variant, hasTemplate, prompt } = chat;
  const written = hasTemplate
    ? 'by the chat template'
    : 'as text: the model has no chat template, and both go on with it';
  return [
    `conversation: ${plural(prompt.length, 'token')}, ${written}`,
    ...answerLines('original', original),
    ...answerLines(label, variant),
    '',
    ...tokenLines(original),
  ];
}

function answerLines(name: string, { text, tokens, end }: ChatText): string[] {
  const lines = text.split(/\r?\n/).map((line) => `  ${line}`);
  return ['', `${name} (${plural(tokens.length, 'token')}, ended by ${ends[end]})`, ...lines];
}

/** Tokens that are shown. */
const shownTokens = 10;

function tokenLines({ tokens }: ChatText): string[] {
  const mean = tokens.reduce((sum, { divergence }) => sum + divergence, 0) / Math.max(1, tokens.length);
  const others = tokens.filter(({ instead }) => instead !== undefined).length;
  const shown = tokens
    .map((token, at) => ({ token, at }))
    .sort((a, b) => b.token.divergence - a.token.divergence)
    .slice(0, shownTokens);
  return [
    `along the answer of the original: mean KLD ${figure(mean)} nats; the variant chooses another token at ${others} of ${tokens.length}`,
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

function describeCauses({ text }: ChatToken, { divergence, sum, tensors }: CausesResult): string[] {
  return [
    '',
    `what moved ${JSON.stringify(text)}: KLD ${figure(divergence)}, errors of ${plural(tensors.length, 'tensor')} add up to ${figure(sum)}`,
    ...table(
      ['share', 'effect, nats', 'tensor'],
      tensors
        .slice(0, shownTensors)
        .map(({ tensor, effect, share }) => [`${(100 * share).toFixed(1)} %`, figure(effect), tensor]),
    ),
  ];
}
