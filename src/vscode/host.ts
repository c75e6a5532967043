import type { EngineClient } from '../engine/client';
import { inLanguage } from '../protocol/said';

/** What sessions need from VS Code and the engine; tests replace it. */

export interface Log {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

export interface Notices {
  info(message: string): void;
  warn(message: string): void;
  /** Offers actions; undefined when the notice was closed. */
  error(message: string, ...actions: string[]): Promise<string | undefined>;
}

export type Engine = Pick<EngineClient, 'call' | 'forgiveCrashes'>;

/** In English, for the log and for what translates its messages as a whole. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** In the display language, for what is shown. */
export const shownMessage = (error: unknown): string => inLanguage(messageOf(error));

/** Runs work in the background; a failure is logged and shown, never lost. */
export function inBackground(work: Promise<unknown>, log: Log, notices: Notices): void {
  work
    .catch((error: unknown) => {
      if ((error as { code?: unknown }).code === 'CANCELLED') return undefined;
      log.error(messageOf(error));
      return notices.error(shownMessage(error));
    })
    .catch((error: unknown) => log.error(messageOf(error)));
}
