import * as vscode from 'vscode';
import type { EngineClient } from '../engine/client';
import { ModelSession, type SessionFolders } from './modelSession';

/** The models that are open in editors or were asked for by a command: one session each. */
export class Sessions {
  private readonly byPath = new Map<string, ModelSession>();
  private current: ModelSession | undefined;
  private readonly activated = new vscode.EventEmitter<ModelSession>();
  /** Fires when another editor is used. */
  readonly onActive = this.activated.event;

  constructor(
    private readonly engine: EngineClient,
    private readonly log: vscode.LogOutputChannel,
    private readonly folders: SessionFolders,
  ) {}

  /** The session of the editor that was used last. */
  get active(): ModelSession | undefined {
    return this.current;
  }

  activate(session: ModelSession): void {
    this.current = session;
    this.activated.fire(session);
  }

  get(path: string): ModelSession {
    const known = this.byPath.get(path);
    if (known) return known;
    const session = new ModelSession(path, this.engine, this.log, this.folders);
    this.byPath.set(path, session);
    return session;
  }

  all(): ModelSession[] {
    return [...this.byPath.values()];
  }

  /** Ends the session of a model whose last editor was closed. */
  release(path: string): void {
    const session = this.byPath.get(path);
    session?.dispose();
    this.byPath.delete(path);
    if (this.current === session) this.current = undefined;
  }

  dispose(): void {
    for (const path of [...this.byPath.keys()]) this.release(path);
    this.activated.dispose();
  }
}
