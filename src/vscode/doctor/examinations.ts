import * as l10n from '@vscode/l10n';
import type { DoctorFinding, DoctorResult } from '../../protocol/doctor';
import type { EngineProgress } from '../../protocol/engine';
import type { ModelRef } from '../../protocol/model';
import type { Subscription } from '../emitter';
import { messageOf, type Engine, type Log } from '../host';
import { sessionKey } from '../paths';

export interface ExaminationHooks {
  /** All that is known of a model now. */
  readonly shown: (model: ModelRef, findings: readonly DoctorFinding[]) => void;
  /** Tells of files of a model's folder that were written or removed. */
  readonly watch: (model: ModelRef, changed: (file: string) => void) => Subscription;
}

/** Cancels an examination, and follows it. */
export interface ExaminationCall {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: EngineProgress) => void;
}

/** A model whose findings are shown. */
interface Examined {
  readonly model: ModelRef;
  readonly watching: Subscription;
  /** Cancels the latest check of its headers. */
  checking: AbortController;
  headers: readonly DoctorFinding[];
  weights: readonly DoctorFinding[];
  /** Somebody asked for it: it outlives the editor. */
  isAsked: boolean;
}

/** What the doctor has found in models: headers whenever files change, weights when somebody asks. */
export class Examinations {
  private readonly models = new Map<string, Examined>();

  constructor(
    private readonly engine: Engine,
    private readonly log: Log,
    private readonly hooks: ExaminationHooks,
  ) {}

  /** Checks the headers of a model that was not examined yet. Never rejects: nobody asked for it. */
  async opened(model: ModelRef): Promise<void> {
    if (!this.models.has(sessionKey(model))) await this.checkHeaders(this.known(model));
  }

  /** The last editor of a model was closed. */
  closed(key: string): void {
    const examined = this.models.get(key);
    if (examined && !examined.isAsked) this.forget(examined);
  }

  /** Examines headers and weights; of files that are written meanwhile, what was found is not shown. @throws what the engine does. */
  async run(model: ModelRef, call: ExaminationCall): Promise<DoctorResult> {
    const title = l10n.t('Checkpoint Doctor');
    const written = new Set<string>();
    const watching = this.hooks.watch(model, (file) => written.add(file));
    const result = await this.engine
      .call('model/doctor', { ...model }, { ...call, title })
      .finally(() => watching.dispose());
    const examined = this.known(model);
    examined.checking.abort();
    examined.isAsked = true;
    examined.headers = result.findings.filter(({ weights }) => !weights);
    examined.weights = result.findings.filter(({ weights, file }) => weights && !written.has(file));
    if (written.size > 0) await this.checkHeaders(examined);
    else this.show(examined);
    return result;
  }

  /** Applies the fix of a code, and looks again. @throws what the engine does. */
  async fix(model: ModelRef, code: string): Promise<DoctorResult> {
    const result = await this.engine.call('model/doctorHeaders', { ...model, only: [code], fix: true });
    await this.checkHeaders(this.known(model));
    return result;
  }

  dispose(): void {
    for (const examined of [...this.models.values()]) this.forget(examined);
  }

  private known(model: ModelRef): Examined {
    const key = sessionKey(model);
    const known = this.models.get(key);
    if (known) return known;
    const examined: Examined = {
      ...{ model, headers: [], weights: [], isAsked: false, checking: new AbortController() },
      watching: this.hooks.watch(model, (file) => void this.changed(examined, file)),
    };
    this.models.set(key, examined);
    return examined;
  }

  /** Weights of a file that was written are others. */
  private changed(examined: Examined, file: string): Promise<void> {
    examined.weights = examined.weights.filter((finding) => finding.file !== file);
    return this.checkHeaders(examined);
  }

  private async checkHeaders(examined: Examined): Promise<void> {
    examined.checking.abort();
    examined.checking = new AbortController();
    const { signal } = examined.checking;
    try {
      const { findings } = await this.engine.call('model/doctorHeaders', { ...examined.model }, { signal });
      if (signal.aborted) return;
      examined.headers = findings;
      this.show(examined);
    } catch (error) {
      if (!signal.aborted) this.log.warn(`The doctor could not look at a model: ${messageOf(error)}`);
    }
  }

  private show({ model, headers, weights }: Examined): void {
    this.hooks.shown(model, [...headers, ...weights]);
  }

  private forget(examined: Examined): void {
    examined.checking.abort();
    examined.watching.dispose();
    this.models.delete(sessionKey(examined.model));
    this.hooks.shown(examined.model, []);
  }
}
