import { basename } from 'node:path';
import * as vscode from 'vscode';
import type { EngineClient } from '../../engine/client';
import { jobHead, progressText } from '../status';
import { Throttle } from '../throttle';
import type { JobNode } from './nodes';
import { inLanguage } from '../../protocol/said';

/** Milliseconds between two drawings. */
const interval = 500;

/** The jobs that run, as the engine's owner lists them. */
export class JobsTree implements vscode.TreeDataProvider<JobNode>, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<undefined>();
  readonly onDidChangeTreeData = this.changed.event;
  private readonly draw = new Throttle(() => this.changed.fire(undefined), interval);
  private readonly jobs: { dispose(): void };

  constructor(private readonly engine: Pick<EngineClient, 'jobs' | 'onJobs'>) {
    this.jobs = engine.onJobs(() => this.draw.ask());
  }

  dispose(): void {
    this.jobs.dispose();
    this.draw.dispose();
    this.changed.dispose();
  }

  getChildren(node?: JobNode): JobNode[] {
    return node ? [] : this.engine.jobs.map(({ id }) => ({ kind: 'job', job: id }));
  }

  getTreeItem({ job: id }: JobNode): vscode.TreeItem {
    const job = this.engine.jobs.find((other) => other.id === id);
    const item = new vscode.TreeItem(job ? jobHead(job) : '');
    item.id = String(id);
    item.iconPath = new vscode.ThemeIcon('loading~spin');
    item.contextValue = job?.cancelling ? 'cancelling' : 'job';
    if (!job) return item; // it has ended, and its row goes with the next drawing
    const path = job.path === undefined ? [] : [job.path];
    // Of bytes the label says how many are done.
    const steps = job.progress?.unit === 'bytes' ? '' : progressText(job);
    item.description = [steps, ...path.map((file) => basename(file))]
      .filter((text) => text !== '')
      .join(' · ');
    item.tooltip = [job.title, ...path, inLanguage(job.progress?.message ?? '')]
      .filter((text) => text !== '')
      .join('\n');
    return item;
  }
}
