import { basename, join } from 'node:path';
import * as vscode from 'vscode';
import { QuantscopeError } from '../../model/errors';
import type { ConvertResult } from '../../protocol/convert';
import { plural, size } from '../../protocol/words';
import { commands } from '../contributions';
import { messageOf } from '../host';
import type { ModelSession } from '../modelSession';
import type { Services } from '../services';
import { wholeSession, type ModelArgument } from './targets';
import { withProgress } from './withProgress';

/** Arguments that other code may pass; with `out` no dialog is shown. */
type ConvertArgument = ModelArgument & { readonly out?: string };

/** Convert to Safetensors…: the tensors of PyTorch files, bit by bit, in a file that cannot hold code. */
export function registerConvert(services: Services): vscode.Disposable {
  return vscode.commands.registerCommand(
    commands.convertToSafetensors,
    async (argument?: ConvertArgument) => {
      const session = await wholeSession(services, argument);
      if (!session || !(await isPytorch(services, session))) return undefined;
      const out = argument?.out ?? (await askTarget(session));
      return out === undefined ? undefined : convert(services, session, out);
    },
  );
}

/** Tells the user where there is nothing to convert, before anything is asked. */
async function isPytorch({ notices }: Services, session: ModelSession): Promise<boolean> {
  await session.ensureLoaded();
  const format = session.description?.format;
  if (format === 'pytorch') return true;
  if (format !== undefined)
    void notices.error(`This model is ${format}: only PyTorch files are converted to safetensors.`);
  return false;
}

async function askTarget(session: ModelSession): Promise<string | undefined> {
  const target = await vscode.window.showSaveDialog({
    defaultUri: vscode.Uri.file(join(session.folder, `${session.fileName}.safetensors`)),
    filters: { Safetensors: ['safetensors'] },
    title: 'Convert to Safetensors',
  });
  return target?.fsPath;
}

/** @returns undefined when it was cancelled or failed; a notice has said why. */
async function convert(
  { engine, notices, log, start }: Services,
  session: ModelSession,
  out: string,
): Promise<ConvertResult | undefined> {
  try {
    const result = await withProgress('Convert to Safetensors', (call) =>
      engine.call(
        'model/convert',
        { ...session.ref, out },
        { ...call, title: `Convert to ${basename(out)}` },
      ),
    );
    start(announce(result));
    return result;
  } catch (error) {
    if (error instanceof QuantscopeError && error.code === 'CANCELLED') return undefined;
    log.error(`Conversion: ${messageOf(error)}`);
    void notices.error(`The conversion failed. ${messageOf(error)}`);
    return undefined;
  }
}

async function announce({ out, bytes, tensors }: ConvertResult): Promise<void> {
  const open = 'Open';
  const message = `Written ${basename(out)}: ${plural(tensors, 'tensor')}, ${size(bytes)}.`;
  const answer = await vscode.window.showInformationMessage(message, open);
  if (answer === open) await vscode.commands.executeCommand('vscode.open', vscode.Uri.file(out));
}
