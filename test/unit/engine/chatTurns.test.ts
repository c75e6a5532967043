import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { JobContext } from '../../../src/engine/job';
import { chatJob } from '../../../src/engine/jobs/chat';
import { createJobs } from '../../../src/engine/jobs';
import { OpenModels } from '../../../src/engine/models';
import type { ChatMessage, ChatParams, ChatResult, ChatText } from '../../../src/protocol/chat';
import type { EngineProgress } from '../../../src/protocol/engine';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();
const usual: ChatParams = {
  ...{ path: sampleFolder, cacheDir: join(folder, 'cache'), device: 'cpu', tokens: 8 },
  ...{ variant: { type: 'Q4_0' }, messages: [{ role: 'user', content: 'ROMEO:\nWhat light through' }] },
};

const open: OpenModels[] = [];
afterEach(async () => {
  for (const models of open.splice(0)) await models.close();
});

/** Conversations of one process. */
function conversations(isShort = () => false) {
  const models = new OpenModels();
  open.push(models);
  const run = chatJob(models, isShort);
  const say = async (params: Partial<ChatParams>, context: Partial<JobContext> = {}): Promise<ChatResult> =>
    run(
      { ...usual, ...params },
      { signal: new AbortController().signal, progress: () => undefined, ...context },
    );
  return { models, say };
}

/** What is said after an answer. */
const after = (answer: ChatText, content: string): ChatMessage[] => [
  ...usual.messages,
  { role: 'assistant', content: answer.text },
  { role: 'user', content },
];

const tokensOf = ({ original, variant }: ChatResult) =>
  [original, variant].map(({ tokens }) => tokens.map(({ id, divergence }) => [id, divergence]));

function expectSame(found: ChatResult, expected: ChatResult): void {
  expect(found.prompt).toEqual(expected.prompt);
  const [own, other] = [tokensOf(found), tokensOf(expected)];
  own.forEach((tokens, side) =>
    tokens.forEach(([id, divergence], i) => {
      expect(id).toBe(other[side]![i]![0]);
      expect(divergence).toBeCloseTo(other[side]![i]![1]!, 4);
    }),
  );
}

describe('a conversation of several turns', () => {
  it('goes on from what was read, with the answer of the variant', async () => {
    const { say } = conversations();
    const first = await say({});
    expect(first.reused).toBe(0);
    const messages = after(first.variant, '\nJULIET:\nAy me!');
    const second = await say({ messages });
    // All of the prompt and most of the answer: its last token was chosen, but not read.
    expect(second.reused).toBeGreaterThan(first.prompt.length + 4);
    expect(second.reused).toBeLessThan(second.prompt.length);
    expectSame(second, await conversations().say({ messages }));
  });

  it('reuses the unchanged beginning when an earlier turn is edited', async () => {
    const { say } = conversations();
    const first = await say({});
    await say({ messages: after(first.original, '\nJULIET:\nAy me!') });
    const messages: ChatMessage[] = [{ role: 'user', content: 'ROMEO:\nWhat light is' }];
    const changed = await say({ messages });
    expect(changed.reused).toBeGreaterThan(0);
    expect(changed.reused).toBeLessThan(first.prompt.length);
    expectSame(changed, await conversations().say({ messages }));
  });

  it.each(['mamba2', 'qwen3next', 'gemma3'])(
    'goes on in %s, whose states may be of all tokens',
    async (name) => {
      const path = join(folder, name);
      await writeCheckpoint(path, name);
      const { say } = conversations();
      const settings = { path, variant: { format: 'Q8_0' }, tokens: 3 } as const;
      const first = await say(settings);
      const messages = [...usual.messages, { role: 'user', content: ' and more of it' } as const];
      const second = await say({ ...settings, messages });
      expect(second.reused).toBeGreaterThan(0);
      expect(first.prompt.slice(0, second.reused)).toEqual(second.prompt.slice(0, second.reused));
      expectSame(second, await conversations().say({ ...settings, messages }));
    },
  );

  it('reuses nothing after the variant, the memory setting or a file has changed', async () => {
    const path = join(folder, 'changing');
    cpSync(sampleFolder, path, { recursive: true });
    const { say } = conversations();
    await say({ path });
    expect((await say({ path })).reused).toBeGreaterThan(0);
    expect((await say({ path, variant: { type: 'Q8_0' } })).reused).toBe(0);
    expect((await say({ path, variant: { type: 'Q8_0' }, memory: 'whole' })).reused).toBe(0);
    const file = join(path, 'config.json');
    writeFileSync(file, `${readFileSync(file, 'utf8')}\n`);
    expect((await say({ path, variant: { type: 'Q8_0' }, memory: 'whole' })).reused).toBe(0);
  });

  it('reuses nothing after the plan file has changed', async () => {
    const { models, say } = conversations();
    const context = { signal: new AbortController().signal, progress: () => undefined };
    const planFile = join(folder, 'a.ampq.json');
    const recommend = (bits: number) =>
      createJobs(models)['plan/recommend'](
        {
          ...{ path: sampleFolder, cacheDir: usual.cacheDir, device: 'cpu', weightsOnly: true },
          ...{ goal: { budget: { kind: 'bits-per-weight', value: bits } }, out: planFile },
        },
        context,
      );
    await recommend(4);
    await say({ variant: { planFile } });
    expect((await say({ variant: { planFile } })).reused).toBeGreaterThan(0);
    await recommend(6);
    expect((await say({ variant: { planFile } })).reused).toBe(0);
  });

  it('keeps what was read before a turn that was cancelled', async () => {
    const { say } = conversations();
    await say({});
    const controller = new AbortController();
    const progress = ({ chat }: EngineProgress): void => {
      if (chat?.original.length === 3) controller.abort();
    };
    await expect(say({}, { signal: controller.signal, progress })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    expect((await say({})).reused).toBeGreaterThan(0);
  });

  it('is closed when memory is short', async () => {
    let isShort = false;
    const { say } = conversations(() => isShort);
    await say({});
    isShort = true;
    await say({});
    expect((await say({})).reused).toBe(0);
  });

  it('runs beside another one, each with models of its own', async () => {
    const { say } = conversations();
    const [one, other] = await Promise.all([say({}), say({})]);
    expectSame(one, other);
    expect((await say({})).reused).toBeGreaterThan(0);
  });

  it('leaves no models open that others took the place of while these were closed', async () => {
    const { models, say } = conversations();
    const hold = models.hold.bind(models);
    let [held, events] = [0, 0];
    let open = (): void => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const happened = (): void => {
      if (++events === 3) open();
    };
    models.hold = async (...of) => {
      const { model, letGo } = await hold(...of);
      held += 1;
      const slowly = async (): Promise<void> => {
        happened();
        await gate;
        held -= 1;
        await letGo();
      };
      return { model, letGo: slowly };
    };
    // The first one is kept; the second one closes it; meanwhile the third one ends, or closes the second one.
    await Promise.all([1, 2, 3].map((tokens) => say({ tokens }).finally(happened)));
    expect(held).toBe(1);
    await models.close();
    expect(held).toBe(0);
  });
});
