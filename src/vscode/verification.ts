import * as l10n from '@vscode/l10n';
import type { EngineProgress } from '../protocol/engine';
import type { ModelRef } from '../protocol/model';
import type { VerifyResult } from '../protocol/verify';
import type { VerificationState } from '../protocol/editorState';
import { messageOf, type Engine, type Log } from './host';

/** Cancels a check, and follows it. */
export interface VerificationCall {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: EngineProgress) => void;
}

export interface VerificationHooks {
  /** Whether all weights are read when a model opens that has digests. */
  readonly readsOnOpening: () => boolean;
  readonly shown: (state: VerificationState) => void;
}

/** What is known of the files of a model against the digests that were written with them. A new check cancels the previous one. */
export class Verification {
  private running: AbortController | undefined;
  private state: VerificationState | undefined;
  /** The latest result of the files as they are. */
  private known: VerificationState | undefined;

  constructor(
    private readonly model: () => ModelRef,
    private readonly engine: Engine,
    private readonly log: Log,
    private readonly hooks: VerificationHooks,
    /** Fires when the model is released. */
    private readonly life: AbortSignal,
  ) {}

  get current(): VerificationState | undefined {
    return this.state;
  }

  /** Checks sizes and headers, and then, where digests were written, all weights. A failure is logged: nobody asked for the check. */
  async opened(): Promise<void> {
    const signal = this.begin();
    try {
      const quick = await this.engine.call('model/verifyHeaders', this.model(), { signal });
      if (quick.files.every(({ digests }) => digests === 'missing')) return;
      this.show({ kind: 'done', result: quick, isQuick: true }, signal);
      if (this.hooks.readsOnOpening()) await this.readAll(signal);
    } catch (error) {
      if (!signal.aborted) this.log.warn(`The digests were not checked: ${messageOf(error)}`);
    }
  }

  /** Reads all weights, whatever is known. @throws what the engine does. */
  run(call: VerificationCall): Promise<VerifyResult> {
    return this.readAll(this.begin(), call);
  }

  /** Cancels a check and forgets what is known: the files have changed. */
  reset(): void {
    this.running?.abort();
    this.state = this.known = undefined;
  }

  private begin(): AbortSignal {
    this.running?.abort();
    this.running = new AbortController();
    return AbortSignal.any([this.running.signal, this.life]);
  }

  /** @param own is aborted once another check takes the place of this one, and when the files change. */
  private async readAll(own: AbortSignal, call?: VerificationCall): Promise<VerifyResult> {
    const signal = call ? AbortSignal.any([own, call.signal]) : own;
    try {
      const result = await this.engine.call('model/verify', this.model(), {
        ...{ signal, title: l10n.t('Verify') },
        onProgress: (progress) => {
          this.show({ kind: 'checking', progress }, signal);
          call?.onProgress(progress);
        },
      });
      this.show({ kind: 'done', result, isQuick: false }, signal);
      return result;
    } catch (error) {
      if (!own.aborted) this.restore(own);
      throw error;
    }
  }

  /** Shows again what was known before a check that did not end. */
  private restore(signal: AbortSignal): void {
    this.state = this.known;
    if (this.known) this.show(this.known, signal);
  }

  private show(state: VerificationState, signal: AbortSignal): void {
    if (signal.aborted) return;
    if (state.kind === 'done') this.known = state;
    this.state = state;
    this.hooks.shown(state);
  }
}
