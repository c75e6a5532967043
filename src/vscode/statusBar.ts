import * as vscode from 'vscode';
import type { EngineClient } from '../engine/client';
import { commands, contextKeys } from './contributions';
import { messageOf, type Log } from './host';
import type { Devices } from './devices';
import type { Sessions } from './sessions';
import { statusOf } from './status';

/** The running jobs as the engine client lists them; else the device in use and why not a faster one. */
export class StatusBar implements vscode.Disposable {
  private readonly item = vscode.window.createStatusBarItem(
    'quantscope.device',
    vscode.StatusBarAlignment.Right,
    90,
  );
  private readonly subscriptions: readonly { dispose(): void }[];
  private ofSession: { dispose(): void } | undefined;
  private isBusy = false;

  constructor(
    private readonly engine: EngineClient,
    private readonly devices: Devices,
    private readonly sessions: Sessions,
    private readonly log: Log,
  ) {
    this.item.name = 'Quantscope';
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
    this.item.dispose();
  }

  private show(): void {
    const status = statusOf(this.engine.jobs, this.devices.current, this.sessions.active?.job);
    this.item.text = status.text;
    this.item.tooltip = new vscode.MarkdownString(status.tooltip);
    this.item.command = status.isBusy ? commands.cancelJob : commands.selectDevice;
    this.item.show();
    this.offerCancelling(status.isBusy);
  }

  private offerCancelling(isBusy: boolean): void {
    if (isBusy === this.isBusy) return;
    this.isBusy = isBusy;
    vscode.commands
      .executeCommand('setContext', contextKeys.jobsRunning, isBusy)
      .then(undefined, (error: unknown) => this.log.error(messageOf(error)));
  }
}
