import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js';
import type { ServerNotification, ServerRequest } from '@modelcontextprotocol/sdk/types.js';
import type { EngineProgress } from '../../protocol/engine';
import { printable } from '../../protocol/printable';
import { timeLeft } from '../../protocol/words';

/**
 * Passes the progress of requests on; undefined where the client does not ask for it. A call has several steps, each from nothing to all, and
 * the protocol wants figures that only grow: they are steps that were finished and the part of the current one, without a total, which is not known.
 */
export function progressTo({
  _meta,
  sendNotification,
}: Pick<RequestHandlerExtra<ServerRequest, ServerNotification>, '_meta' | 'sendNotification'>):
  ((step: EngineProgress) => void) | undefined {
  const progressToken = _meta?.progressToken;
  if (progressToken === undefined) return undefined;
  let [finished, share, sent] = [0, 0, -1];
  return ({ message, done, total, secondsLeft }) => {
    const now = total > 0 ? Math.min(1, done / total) : 0;
    if (now < share) finished += 1;
    share = now;
    const progress = finished + share;
    if (progress <= sent) return;
    sent = progress;
    const text = printable(`${Math.floor(100 * share)} % ${message}${timeLeft(secondsLeft)}`);
    const params = { progressToken, progress, message: text };
    // A client that has gone gets no progress; its call is cancelled anyway.
    sendNotification({ method: 'notifications/progress', params }).catch(() => undefined);
  };
}
