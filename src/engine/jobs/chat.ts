import { withThreads } from '../../graph/threads';
import { QuantscopeError } from '../../model/errors';
import { isRecord } from '../../model/json';
import type { ChatParams, ChatVariant } from '../../protocol/chat';
import type { ModelRef } from '../../protocol/model';
import { said } from '../../protocol/said';
import { findCauses } from '../chat/findCauses';
import { KeptPair } from '../chat/keptPair';
import type { PairedModels } from '../chat/openPair';
import { runChat } from '../chat/runChat';
import { checkParams, modelKinds, wrongValue, type Job } from '../job';
import type { OpenModels } from '../models';

/** @param isShort whether so little memory is free that models should not stay open between turns. */
export function chatJob(models: OpenModels, isShort?: () => boolean): Job<'chat/run'> {
  const keptPair = new KeptPair(models, isShort);
  return (params, context) => {
    checkParams('chat/run', params, {
      ...{ ...modelKinds, cacheDir: 'path', variant: 'record', tokens: 'count?', stop: 'strings?' },
      ...{ memory: 'memory?', device: 'device', threads: 'count?' },
    });
    checkVariant('chat/run', params.variant);
    checkConversation(params);
    return withThreads(params.threads, () =>
      withModels(models, params, context.signal, (pair) => runChat(pair, params, context, keptPair)),
    );
  };
}

export function causesJob(models: OpenModels): Job<'chat/causes'> {
  return (params, context) => {
    checkParams('chat/causes', params, {
      ...{ ...modelKinds, cacheDir: 'path', variant: 'record', tokens: 'blocks' },
      ...{ device: 'device', threads: 'count?' },
    });
    checkVariant('chat/causes', params.variant);
    if (params.tokens.length === 0)
      throw new QuantscopeError(
        'REQUEST',
        said`chat/causes: there is no token before the one that is asked about.`,
      );
    return withThreads(params.threads, () =>
      withModels(models, params, context.signal, (pair) => findCauses(pair, params, context)),
    );
  };
}

/** Opens the model, and that of the variant where it is one of its own; figures are of one version of the files. */
function withModels<T>(
  models: OpenModels,
  params: ModelRef & { readonly variant: ChatVariant },
  signal: AbortSignal,
  work: (pair: PairedModels) => Promise<T>,
): Promise<T> {
  const { variant } = params;
  const { other } = variant;
  return models.useUnchanged(params, signal, (model) =>
    other === undefined
      ? work({ model, other: undefined, variant })
      : models.useUnchanged({ path: other }, signal, (found) => work({ model, other: found, variant })),
  );
}

function checkVariant(method: string, variant: ChatVariant): void {
  const wrong = wrongValue(
    { ...variant },
    {
      ...{ other: 'path?', planFile: 'path?', type: 'string?', format: 'string?', recipe: 'record?' },
    },
  );
  if (wrong !== undefined) throw new QuantscopeError('REQUEST', `${method}: ${wrong}`);
}

const roles: readonly unknown[] = ['system', 'user', 'assistant'];

/** @throws QuantscopeError REQUEST naming what is wrong. */
function checkConversation({ messages, temperature, topP, seed, stop = [] }: ChatParams): void {
  const isMessage = (value: unknown): boolean =>
    isRecord(value) && roles.includes(value['role']) && typeof value['content'] === 'string';
  const within = (value: number | undefined, least: number, most: number): boolean =>
    value === undefined || (Number.isFinite(value) && value >= least && value <= most);
  const faults: readonly (readonly [boolean, string])[] = [
    [
      Array.isArray(messages) && messages.length > 0 && messages.every(isMessage),
      said`"messages" must be turns with a role (system, user, assistant) and a content.`,
    ],
    [within(temperature, 0, 100), said`"temperature" must be a number from 0 to 100.`],
    [topP !== 0 && within(topP, 0, 1), said`"topP" must be a share above 0, of 1 at most.`],
    [seed === undefined || Number.isSafeInteger(seed), said`"seed" must be a whole number.`],
    [!stop.includes(''), said`"stop" has an empty text.`],
  ];
  const fault = faults.find(([isRight]) => !isRight);
  if (fault) throw new QuantscopeError('REQUEST', said`chat/run: ${fault[1]}`);
}
