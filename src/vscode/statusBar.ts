import * as vscode from 'vscode';
import type { JobState } from '../protocol/webview';
import { commands } from './contributions';
import type { ModelSession } from './modelSession';

/** The device in use and why no faster one; while a job runs, how far it is. */
export class StatusBar implements vscode.Disposable {
  private readonly item = vscode.window.createStatusBarItem(
    'quantscope.device',
    vscode.StatusBarAlignment.Right,
    90,
  );
  private subscription: vscode.Disposable | undefined;

  constructor() {
    this.item.name = 'Quantscope Device';
    this.item.command = commands.selectDevice;
  }

  /** Follows a session: the last editor that was used. */
  follow(session: ModelSession): void {
    this.subscription?.dispose();
    this.subscription = session.onEvent(() => this.show(session));
    this.show(session);
  }

  dispose(): void {
    this.subscription?.dispose();
    this.item.dispose();
  }

  private show({ device, job }: ModelSession): void {
    this.item.text = jobText(job) ?? `$(circuit-board) ${device?.label ?? 'probing…'}`;
    const refused = (device?.refused ?? []).map((item) => `- **${item.device}** refused: ${item.reason}`);
    this.item.tooltip = new vscode.MarkdownString(
      [`Quantscope computes on **${device?.label ?? '…'}**.`, '', ...refused, '', 'Click to choose.'].join(
        '\n',
      ),
    );
    this.item.show();
  }
}

function jobText(job: JobState): string | undefined {
  if (job.kind === 'engine-died') return '$(error) Quantscope engine ended';
  if (job.kind !== 'running') return undefined;
  const { progress } = job;
  if (!progress) return `$(sync~spin) ${job.title}`;
  const left = progress.secondsLeft === undefined ? '' : `, ${Math.ceil(progress.secondsLeft)} s left`;
  return `$(sync~spin) ${job.title} ${progress.done}/${progress.total}${left}`;
}
