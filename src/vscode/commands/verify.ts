import { basename } from 'node:path';
import * as vscode from 'vscode';
import { QuantscopeError } from '../../model/errors';
import type { VerifyResult } from '../../protocol/verify';
import { verifySummary } from '../../protocol/verifyText';
import { commands } from '../contributions';
import { openEditor } from '../editor/openEditor';
import { messageOf, shownMessage } from '../host';
import type { ModelSession } from '../modelSession';
import type { Services } from '../services';
import { targetSession, type ModelArgument } from './targets';
import { withProgress } from './withProgress';

/** Verify File…: all files of a model against the digests that were written with them. */
export function registerVerify(services: Services): vscode.Disposable {
  return vscode.commands.registerCommand(commands.verifyFile, async (argument?: ModelArgument) => {
    const session = await targetSession(services, argument);
    return session ? verify(services, session) : undefined;
  });
}

/** @returns undefined when it was cancelled or failed; a notice has said why. */
async function verify(services: Services, session: ModelSession): Promise<VerifyResult | undefined> {
  const { notices, log, start } = services;
  try {
    const title = vscode.l10n.t('Verify {0}', basename(session.path));
    const result = await withProgress(title, (call) => session.verify(call));
    start(announce(services, session, result));
    return result;
  } catch (error) {
    if (error instanceof QuantscopeError && error.code === 'CANCELLED') return undefined;
    log.error(`Verification: ${messageOf(error)}`);
    void notices.error(vscode.l10n.t('The verification failed. {0}', shownMessage(error)));
    return undefined;
  }
}

async function announce(services: Services, session: ModelSession, result: VerifyResult): Promise<void> {
  const { notices } = services;
  const message = `${basename(session.path)}: ${verifySummary(result)}`;
  if (result.faults.length === 0) return notices.info(message);
  const open = vscode.l10n.t('Show');
  if ((await notices.error(message, open)) === open) await openEditor(services, session);
}
