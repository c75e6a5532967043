import * as l10n from '@vscode/l10n';
import type { TensorAnalysis } from '../src/protocol/analysis';
import type { EngineProgress } from '../src/protocol/engine';

/** Number of analyses kept: each is about 200 kB, and users switch between neighbouring tensors. */
const maxKept = 48;
/** Requests closer together than this (ms) come from a held key: the engine is asked once they pause. */
const pause = 150;

export type AskAnalysis = (
  tensor: string,
  options: { signal: AbortSignal; onProgress: (progress: EngineProgress) => void },
) => Promise<TensorAnalysis>;

/** Analyses of tensors, one at a time: a new one cancels the previous one; finished ones are kept. */
export class Analyses {
  /** By revision of the model and tensor; the latest used last. */
  private readonly kept = new Map<string, TensorAnalysis>();
  private running: AbortController | undefined;
  private lastRequest = -Infinity;

  constructor(private readonly ask: AskAnalysis) {}

  /** An analysis that is already kept. */
  find(revision: number, tensor: string): TensorAnalysis | undefined {
    const key = keyOf(revision, tensor);
    const found = this.kept.get(key);
    if (!found) return undefined;
    this.kept.delete(key);
    this.kept.set(key, found);
    return found;
  }

  /** Rejects with code CANCELLED when another one is requested or `cancel` is called. */
  async request(
    revision: number,
    tensor: string,
    onProgress: (progress: EngineProgress) => void,
  ): Promise<TensorAnalysis> {
    this.cancel();
    const controller = (this.running = new AbortController());
    const { signal } = controller;
    const found = this.find(revision, tensor);
    if (found) return found;
    const isHurried = Date.now() - this.lastRequest < pause;
    this.lastRequest = Date.now();
    if (isHurried) await delay(pause, signal);
    const analysis = await this.ask(tensor, { signal, onProgress });
    this.keep(keyOf(revision, tensor), analysis);
    return analysis;
  }

  cancel(): void {
    this.running?.abort();
    this.running = undefined;
  }

  private keep(key: string, analysis: TensorAnalysis): void {
    this.kept.set(key, analysis);
    const [oldest] = this.kept.keys();
    if (this.kept.size > maxKept && oldest !== undefined) this.kept.delete(oldest);
  }
}

const keyOf = (revision: number, tensor: string): string => `${revision}\n${tensor}`;

function delay(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(Object.assign(new Error(l10n.t('The request was cancelled.')), { code: 'CANCELLED' }));
    });
  });
}
