import { Emitter } from './emitter';
import { ModelSession, type SessionContext } from './modelSession';

/** The models that are open in editors or were asked for by a command: one session each. */
export class Sessions {
  private readonly byPath = new Map<string, ModelSession>();
  private current: ModelSession | undefined;
  private readonly activated = new Emitter<ModelSession | undefined>();
  /** Fires when another editor is used; without a session when the last one in use was closed. */
  readonly onActive = this.activated.event;

  constructor(private readonly context: SessionContext) {}

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
    const session = new ModelSession(path, this.context);
    this.byPath.set(path, session);
    return session;
  }

  all(): ModelSession[] {
    return [...this.byPath.values()];
  }

  /** Ends the session of a model whose last editor was closed, and what it runs. */
  release(path: string): void {
    const session = this.byPath.get(path);
    session?.dispose();
    this.byPath.delete(path);
    if (!session || this.current !== session) return;
    this.current = undefined;
    this.activated.fire(undefined);
  }

  dispose(): void {
    for (const path of [...this.byPath.keys()]) this.release(path);
    this.activated.dispose();
  }
}
