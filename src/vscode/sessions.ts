import { Emitter } from './emitter';
import { ModelSession } from './modelSession';
import type { SessionContext } from './sessionContext';
import type { SessionEvent } from './sessionParts';
import { sessionKey } from './paths';

/** Sessions of models that are open in editors or used by a command: one each. */
export class Sessions {
  private readonly byKey = new Map<string, ModelSession>();
  private current: ModelSession | undefined;
  private readonly activated = new Emitter<ModelSession | undefined>();
  /** Fires when another editor is used; without a session when the last active one was closed. */
  readonly onActive = this.activated.event;
  private readonly told = new Emitter<{ readonly session: ModelSession; readonly event: SessionEvent }>();
  /** Fires with the events of all sessions, of those that begin later, too. */
  readonly onEvent = this.told.event;

  constructor(private readonly context: SessionContext) {}

  /** The session of the most recently used editor. */
  get active(): ModelSession | undefined {
    return this.current;
  }

  activate(session: ModelSession): void {
    this.current = session;
    this.activated.fire(session);
  }

  /** @param path the file that identifies the whole model, or with `alone` one of its files. */
  get(path: string, alone = false): ModelSession {
    const key = sessionKey({ path, alone });
    const known = this.byKey.get(key);
    if (known) return known;
    const session = new ModelSession(path, this.context, alone);
    session.onEvent((event) => this.told.fire({ session, event }));
    this.byKey.set(key, session);
    return session;
  }

  /** The same where it is there already. */
  known(path: string): ModelSession | undefined {
    return this.byKey.get(sessionKey({ path }));
  }

  all(): ModelSession[] {
    return [...this.byKey.values()];
  }

  /** Ends the session of a model whose last editor was closed, and its jobs. */
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
    this.told.dispose();
  }
}
