import * as l10n from '@vscode/l10n';
import { QuantscopeError } from '../model/errors';
import type { ModelRef } from '../protocol/model';
import type { ScanSettings } from '../protocol/modelScan';
import type { ScanActivity, ScannedFigures } from '../protocol/modelScanView';
import { messageOf, type Engine, type Log } from './host';

export interface ScanHooks {
  readonly activity: (activity: ScanActivity) => void;
  /** There are further figures. */
  readonly figures: (revision: number) => void;
}

/** Minimum time between two reports of further figures (ms); reading them never takes more than a share of the time. */
const reportInterval = 2_000;
const readingShare = 0.1;

/** Scans of one model: one at a time. Finished tensors are kept, so that the next one continues. */
export class ModelScans {
  private running: AbortController | undefined;
  private activity: ScanActivity = { kind: 'idle' };
  private revision = 0;
  private lastReport = 0;
  /** How long the last reading of figures took (ms). */
  private reading = 0;

  constructor(
    private readonly model: () => ModelRef,
    private readonly engine: Engine,
    private readonly log: Log,
    /** Where finished tensors are kept. */
    private readonly cacheDir: string,
    private readonly hooks: ScanHooks,
    /** Fires when the model is released. */
    private readonly life: AbortSignal,
  ) {}

  /** Scans what has not been scanned. Resolves whatever the outcome. @throws QuantscopeError REQUEST while another scan runs. */
  async run(settings: ScanSettings): Promise<void> {
    if (this.running) throw new QuantscopeError('REQUEST', l10n.t('This model is already being scanned.'));
    const controller = (this.running = new AbortController());
    const signal = AbortSignal.any([controller.signal, this.life]);
    this.engine.forgiveCrashes();
    this.show({ kind: 'running', settings });
    try {
      await this.engine.call('model/scan', this.params(settings), {
        ...{ signal, title: l10n.t('Scan') },
        onProgress: (progress) => {
          this.show({ kind: 'running', settings, progress });
          const interval = Math.max(reportInterval, this.reading / readingShare);
          if (Date.now() - this.lastReport >= interval) this.report();
        },
      });
      this.end(controller, { kind: 'idle' });
    } catch (error) {
      this.end(controller, this.outcomeOf(error, settings, signal));
    }
  }

  cancel(): void {
    this.running?.abort();
  }

  /** What is kept by now, and whether a scan runs. */
  async figures(settings: ScanSettings, signal: AbortSignal): Promise<ScannedFigures> {
    const { revision } = this;
    const start = Date.now();
    const scan = await this.engine.call('model/scanned', this.params(settings), { signal });
    this.reading = Date.now() - start;
    return { activity: this.activity, revision, scan };
  }

  /** Cancels a scan: the files have changed. */
  reset(): void {
    if (this.activity.kind === 'idle' && this.revision === 0) return;
    this.cancel();
    this.running = undefined;
    this.show({ kind: 'idle' });
    this.report();
  }

  private params(settings: ScanSettings) {
    return { ...this.model(), ...settings, cacheDir: this.cacheDir };
  }

  private outcomeOf(error: unknown, settings: ScanSettings, signal: AbortSignal): ScanActivity {
    if (signal.aborted) return { kind: 'cancelled', settings };
    const message = messageOf(error);
    this.log.error(`Scan: ${message}`);
    return { kind: 'failed', settings, message };
  }

  /** One that was reset has nothing more to say. */
  private end(controller: AbortController, activity: ScanActivity): void {
    if (this.running !== controller) return;
    this.running = undefined;
    this.show(activity);
    this.report();
  }

  private report(): void {
    if (this.life.aborted) return;
    this.lastReport = Date.now();
    this.revision += 1;
    this.hooks.figures(this.revision);
  }

  private show(activity: ScanActivity): void {
    if (this.life.aborted) return;
    this.activity = activity;
    this.hooks.activity(activity);
  }
}
