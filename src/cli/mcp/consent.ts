import type { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { QuantscopeError } from '../../model/errors';

/** How long a user may think (ms). */
const patience = 3_600_000;

/**
 * Asks the user before something is written.
 * @param allowed whether it may be written where the client cannot ask.
 * @throws QuantscopeError REQUEST where the user does not agree, or cannot be asked.
 */
export async function requireConsent(
  server: Server,
  question: string,
  allowed: boolean,
  signal: AbortSignal,
): Promise<void> {
  if (canAsk(server)) {
    const requestedSchema = { type: 'object', properties: {} } as const;
    const { action } = await server.elicitInput(
      { message: question, requestedSchema },
      { signal, timeout: patience },
    );
    if (action !== 'accept')
      throw new QuantscopeError('REQUEST', 'The user did not agree. Nothing was written.');
  } else if (!allowed) {
    throw new QuantscopeError(
      'REQUEST',
      'Nothing was written: the client cannot ask the user. Started with --allow-write, the server writes all the same.',
    );
  }
}

/** Whether the client shows forms; one that names no kinds of questions shows them. */
function canAsk(server: Server): boolean {
  const elicitation = server.getClientCapabilities()?.elicitation;
  return elicitation !== undefined && (elicitation.form !== undefined || elicitation.url === undefined);
}
