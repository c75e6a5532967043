import { freemem, totalmem } from 'node:os';
import { longestBeginning, PairedText } from '../../evaluation/chat/pairedText';
import { QuantscopeError } from '../../model/errors';
import type { JobContext } from '../job';
import type { HeldModel, OpenModels } from '../models';
import { openPair, type OpenPair } from './openPair';
import { turnKey, type Turn } from './turnKey';

/** How often free memory is looked at (ms), and the share of all memory below which the models are closed. */
const watchTime = 5_000;
const leastFree = 0.1;

/** Texts of fewer tokens than this share graphs, which have tables of all positions. */
const leastPositions = 4096;

/** Models of a conversation with the texts that both have read. */
export interface OpenChat {
  readonly pair: OpenPair;
  /** Whether the models were opened for this turn. */
  readonly isNew: boolean;
  /** What a text begins with that was read already, or nothing. */
  readonly beginningOf: (tokens: Int32Array) => PairedText;
}

interface Kept {
  readonly key: string;
  readonly pair: OpenPair;
  readonly held: readonly HeldModel[];
  readonly positions: number;
  texts: readonly PairedText[];
}

/**
 * The models of the conversation that had the last turn, kept open for the next one with what they have read. They are closed when a turn needs others,
 * files changed, memory becomes short, or the process's models are closed.
 */
export class KeptPair {
  private kept: Kept | undefined;
  private watch: NodeJS.Timeout | undefined;

  /** @param isShort whether so little memory is free that the models should be closed. */
  constructor(
    private readonly models: OpenModels,
    private readonly isShort = () => freemem() < leastFree * totalmem(),
  ) {
    models.beforeClose(() => this.close());
  }

  /**
   * Runs a turn on models that are open already or are opened for it.
   * @param work gives the result, and the texts that were read for it.
   * @throws QuantscopeError as `openPair` and the work.
   */
  async use<T>(
    turn: Turn,
    context: JobContext,
    work: (chat: OpenChat) => Promise<{ readonly result: T; readonly texts: readonly PairedText[] }>,
  ): Promise<T> {
    const key = await turnKey(turn, context.signal);
    const known = await this.take(key, turn);
    const kept = known ?? (await this.open(key, turn, context));
    const { pair, positions } = kept;
    const beginningOf = (tokens: Int32Array): PairedText =>
      longestBeginning(kept.texts, tokens) ?? PairedText.empty(pair.decoders, positions);
    let done: Awaited<ReturnType<typeof work>>;
    try {
      done = await work({ pair, isNew: !known, beginningOf });
    } catch (error) {
      // The turn that opened them may have left its cancelled signal in how the weights of the variant are made.
      const isHarmless = known && error instanceof QuantscopeError && error.code === 'CANCELLED';
      await (isHarmless ? this.keep(kept) : closeKept(kept));
      throw error;
    }
    kept.texts = done.texts;
    await this.keep(kept);
    return done.result;
  }

  /** Closes the models. */
  async close(): Promise<void> {
    clearInterval(this.watch);
    const { kept } = this;
    this.kept = undefined;
    if (kept) await closeKept(kept);
  }

  /** The kept models for one turn, which nobody else gets in the meantime; others are closed. */
  private async take(key: string, { models, length }: Turn): Promise<Kept | undefined> {
    const { kept } = this;
    if (!kept) return undefined;
    const wanted = [models.model, models.other].filter((model) => model !== undefined);
    const isSame = wanted.every((model, i) => kept.held[i]?.model === model);
    if (kept.key !== key || !isSame || length > kept.positions) {
      await this.close();
      return undefined;
    }
    this.kept = undefined;
    return kept;
  }

  private async open(key: string, turn: Turn, context: JobContext): Promise<Kept> {
    const { models, params, where, length } = turn;
    const { other } = models.variant;
    const refs = [params, ...(other === undefined ? [] : [{ path: other }])];
    const held: HeldModel[] = [];
    try {
      for (const ref of refs) held.push(await this.models.hold(ref, context.signal));
      const pair = await openPair(models, { ...params, where, length }, context);
      const positions = Math.max(leastPositions, 2 ** Math.ceil(Math.log2(length)));
      return { key, pair, held, positions, texts: [] };
    } catch (error) {
      for (const { letGo } of held) await letGo();
      throw error;
    }
  }

  /** Keeps them instead of others, which a turn beside this one may have left; that one may end while these are closed. */
  private async keep(kept: Kept): Promise<void> {
    const { kept: earlier } = this;
    clearInterval(this.watch);
    this.kept = kept;
    this.watch = setInterval(() => {
      if (this.isShort()) void this.close();
    }, watchTime).unref();
    if (earlier) await closeKept(earlier);
    if (this.isShort()) await this.close();
  }
}

/** A failure is nobody's: for it a turn that has its answer, or the next one, would be lost. */
async function closeKept({ pair, held }: Kept): Promise<void> {
  await Promise.allSettled([pair.close()]);
  await Promise.allSettled(held.map(({ letGo }) => letGo()));
}
