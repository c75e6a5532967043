import { suggestion } from '../model/closest';
import { absolutePlace, exists } from '../model/place';
import type { ChatSettings, ChatVariant } from '../protocol/chat';
import { loraOption } from './adapters';
import { allOfStdin } from './chatLines';
import { describe, describeCauses, mostDivergent, tokensBefore } from './chatText';
import { systemTurn, talk, type Asker } from './chatTurns';
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
    prompt: valueOption('TEXT', 'what the user says (default: all of stdin; on a terminal, turn by turn)'),
    turns: flagOption('read a turn of the user from each line of stdin, also where it is no terminal'),
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
    const ask = await askerOf(context);
    const system = textOption(context, 'system');
    const prompt = textOption(context, 'prompt');
    const inTurns = context.options['turns'] === true;
    if (inTurns && prompt !== undefined)
      throw new UsageError('--turns reads what the user says from stdin, so that there is no --prompt.');
    const isTyped = prompt === undefined && process.stdin.isTTY && context.options['json'] !== true;
    if (inTurns || isTyped) return talk(context, ask, system);
    const content = prompt ?? (await allOfStdin(context));
    const chat = await ask.answers([...systemTurn(system), { role: 'user', content }], context);
    const found = context.options['causes'] === true ? mostDivergent(chat.original) : undefined;
    const causes = found && (await ask.causes(tokensBefore(chat, found.at), context));
    const explained = found && causes && { token: found.at, ...causes };
    return {
      json: { ...chat, ...(explained ? { causes: explained } : {}) },
      lines: [...describe(chat), ...(causes ? describeCauses(found.token, causes) : [])],
    };
  },
};

/** What the engine is asked for, with the options of the command line. */
async function askerOf(context: CommandContext): Promise<Asker> {
  const { model, jobs, evaluationDir: cacheDir } = context;
  const settings = await settingsOf(context);
  const { variant, device } = settings;
  const threads = countOption(context, 'threads');
  const usual = { ...model, cacheDir, ...(threads === undefined ? {} : { threads }) };
  return {
    answers: (messages, { signal, progress }) =>
      jobs['chat/run']({ ...usual, ...settings, messages }, { signal, progress }),
    causes: (tokens, { signal, progress }) =>
      jobs['chat/causes']({ ...usual, variant, device, tokens }, { signal, progress }),
    stops: settings.stop ?? [],
  };
}

async function settingsOf(context: CommandContext): Promise<Omit<ChatSettings, 'messages'>> {
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
