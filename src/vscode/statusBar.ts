import * as vscode from 'vscode';
import type { EngineClient } from '../engine/client';
import { commands, contextKeys, views } from './contributions';
import { messageOf, type Log } from './host';
import type { Devices } from './devices';
import type { Sessions } from './sessions';
import { setContext } from './setContext';
import { deviceStatus, jobsStatus } from './status';

/** Two items: the device in use and why not a faster one; and the running jobs as the engine client lists them, while there are any. */
export class StatusBar implements vscode.Disposable {
  private readonly device = statusItem('quantscope.device', 90);
  private readonly running = statusItem('quantscope.jobs', 91);
  private readonly subscriptions: readonly { dispose(): void }[];
  private ofSession: { dispose(): void } | undefined;
  private isBusy = false;

  constructor(
    private readonly engine: EngineClient,
    private readonly devices: Devices,
    private readonly sessions: Sessions,
    private readonly log: Log,
  ) {
    this.device.name = vscode.l10n.t('Quantscope: Device');
    this.device.command = commands.selectDevice;
    this.running.name = vscode.l10n.t('Quantscope: Jobs');
    this.running.command = `${views.jobs}.focus`;
    const show = (): void => this.show();
    this.subscriptions = [
      engine.onJobs(show),
      devices.onChange(show),
      sessions.onActive((session) => {
        this.ofSession?.dispose();
        this.ofSession = session?.onEvent((event) => event.name === 'job' && this.show());
        this.show();
      }),
    ];
  }

  dispose(): void {
    for (const subscription of [...this.subscriptions, this.ofSession]) subscription?.dispose();
    this.device.dispose();
    this.running.dispose();
  }

  private show(): void {
    const { text, tooltip } = deviceStatus(this.devices.current, this.sessions.active?.job);
    this.device.text = text;
    this.device.tooltip = new vscode.MarkdownString(tooltip);
    this.device.show();
    this.showJobs();
  }

  private showJobs(): void {
    const status = jobsStatus(this.engine.jobs, cancelLink);
    this.offerCancelling(status !== undefined);
    if (!status) return this.running.hide();
    this.running.text = status.text;
    const tooltip = new vscode.MarkdownString(status.tooltip);
    tooltip.isTrusted = { enabledCommands: [commands.cancelJob] };
    this.running.tooltip = tooltip;
    this.running.show();
  }

  private offerCancelling(isBusy: boolean): void {
    if (isBusy === this.isBusy) return;
    this.isBusy = isBusy;
    setContext(contextKeys.jobsRunning, isBusy).catch((error: unknown) => this.log.error(messageOf(error)));
  }
}

const statusItem = (id: string, priority: number): vscode.StatusBarItem =>
  vscode.window.createStatusBarItem(id, vscode.StatusBarAlignment.Right, priority);

const cancelLink = (job: number): string =>
  `command:${commands.cancelJob}?${encodeURIComponent(JSON.stringify([{ kind: 'job', job }]))}`;
