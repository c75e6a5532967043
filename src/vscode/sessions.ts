import { Emitter } from './emitter';
import { ModelSession, sessionKey, type SessionContext } from './modelSession';

/** The models that are open in editors or were asked for by a command: one session each. */
export class Sessions {
  private readonly byKey = new Map<string, ModelSession>();
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

  /** @param path the file that stands for the whole model, or with `alone` one of its files. */
  get(path: string, alone = false): ModelSession {
    const key = sessionKey(path, alone);
    const known = this.byKey.get(key);
    if (known) return known;
    const session = new ModelSession(path, this.context, alone);
    this.byKey.set(key, session);
    return session;
  }

  all(): ModelSession[] {
    return [...this.byKey.values()];
  }

  /** Ends the session of a model whose last editor was closed, and what it runs. */
  release(key: string): void {
    const session = this.byKey.get(key);
    session?.dispose();
    this.byKey.delete(key);
    if (!session || this.current !== session) return;
    this.current = undefined;
    this.activated.fire(undefined);
  }

  dispose(): void {
    for (const key of [...this.byKey.keys()]) this.release(key);
    this.activated.dispose();
  }
}
