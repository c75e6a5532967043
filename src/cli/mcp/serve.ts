import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { EngineClient, type EngineOptions } from '../../engine/client';
import { throwIfCancelled } from '../../model/errors';
import { AllowedFolders } from './allowedFolders';
import { createServer, type ServerSettings } from './server';

export interface ServeOptions extends Omit<ServerSettings, 'call'> {
  /** Ends the server. */
  readonly signal: AbortSignal;
  /** Lines for the user, who may read stderr. */
  readonly log: (line: string) => void;
  /** Folders that may be used, absolute; those of the client where there are none. */
  readonly roots: readonly string[];
  readonly allowRemote: boolean;
}

/** What engine processes log, without how each request goes: the client knows its calls. */
const shown =
  (log: ServeOptions['log']): NonNullable<EngineOptions['log']> =>
  ({ level, text }) => {
    if (level !== 'trace' && level !== 'debug') log(text);
  };

/** The engine's bundle lies next to this one. */
const engineEntry = join(dirname(fileURLToPath(import.meta.url)), 'engine.mjs');

/**
 * Serves the tools over stdin and stdout until stdin ends. The engine runs in processes of its own, so that the server answers while it works,
 * and outlives a crash of it.
 * @throws QuantscopeError CANCELLED when the signal fires.
 */
export async function serve({ signal, log, roots, allowRemote, ...settings }: ServeOptions): Promise<void> {
  const engine = new EngineClient({ entry: engineEntry, log: shown(log), onExit: log });
  const server = createServer(
    { ...settings, call: (method, params, options) => engine.call(method, params, options) },
    (client) => new AllowedFolders(roots, client, allowRemote),
  );
  server.server.onerror = ({ message }) => log(`Note: ${message}`);
  const closed = new Promise<void>((resolve) => (server.server.onclose = resolve));
  const close = (): void => void server.close();
  process.stdin.once('end', close);
  signal.addEventListener('abort', close);
  try {
    await server.connect(new StdioServerTransport());
    if (signal.aborted) close();
    await closed;
  } finally {
    engine.dispose();
  }
  throwIfCancelled(signal);
}
