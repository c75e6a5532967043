import { basename, join } from 'node:path';
import * as vscode from 'vscode';
import { folderBeside } from '../remote/modelUri';
import { QuantscopeError } from '../../model/errors';
import { folderName } from '../../model/modelName';
import {
  mmprojTypes,
  type ExportedMmproj,
  type MmprojSettings,
  type MmprojType,
} from '../../protocol/mmproj';
import { plural, size } from '../../protocol/words';
import { inLanguage } from '../../protocol/said';
import { commands } from '../contributions';
import { messageOf, shownMessage } from '../host';
import type { ModelSession } from '../modelSession';
import type { Services } from '../services';
import { wholeSession, type ModelArgument } from './targets';
import { withProgress } from './withProgress';
import { noticeText } from '../noticeText';

/** Arguments that other code may pass; with `out` nothing is asked. */
type MmprojArgument = ModelArgument & { readonly type?: MmprojType; readonly out?: string };

type Settings = MmprojSettings & { readonly out: string };

/** Export Vision Part (mmproj)…: whether the model has one, then the type of its matrices, each with its size, and the file. */
export function registerExportMmproj(services: Services): vscode.Disposable {
  return vscode.commands.registerCommand(
    commands.exportMmproj,
    async (argument?: MmprojArgument): Promise<ExportedMmproj | undefined> => {
      const session = await wholeSession(services, argument);
      if (!session) return undefined;
      const { type, out } = argument instanceof vscode.Uri ? {} : (argument ?? {});
      const settings =
        out === undefined
          ? await ask(services, session)
          : { ...session.ref, out, ...(type === undefined ? {} : { type }) };
      return settings && exportMmproj(services, settings);
    },
  );
}

const purposes: Readonly<Record<MmprojType, string>> = {
  F16: vscode.l10n.t('what most people use'),
  BF16: vscode.l10n.t('for weights that are too large for F16'),
  F32: vscode.l10n.t('without rounding'),
  Q8_0: vscode.l10n.t('half of F16, hardly distinguishable from it'),
};

/** @returns undefined when the user cancelled, or a notice has said why it is not possible. */
async function ask(services: Services, session: ModelSession): Promise<Settings | undefined> {
  const { engine } = services;
  try {
    const previews = await Promise.all(
      mmprojTypes.map((type) => engine.call('mmproj/preview', { ...session.ref, type })),
    );
    const items = previews.map(({ type, bytes, projector }) => ({
      ...{ label: type, description: `${size(bytes)}, ${projector}`, detail: purposes[type], type },
    }));
    const picked = await vscode.window.showQuickPick(items, {
      ...{ title: vscode.l10n.t('Export Vision Part: type of its matrices'), ignoreFocusOut: true },
    });
    const out = picked && (await askTarget(session, picked.type));
    return out === undefined ? undefined : { ...session.ref, type: picked!.type, out };
  } catch (error) {
    tell(services, error);
    return undefined;
  }
}

async function askTarget(session: ModelSession, type: MmprojType): Promise<string | undefined> {
  const name = `mmproj-${folderName(session.folder)}-${type}.gguf`;
  const target = await vscode.window.showSaveDialog({
    defaultUri: vscode.Uri.file(join(folderBeside(session.folder), name)),
    filters: { GGUF: ['gguf'] },
    title: vscode.l10n.t('Export Vision Part'),
  });
  return target?.fsPath;
}

/** @returns undefined when it was cancelled or failed; a notice has said why. */
async function exportMmproj(services: Services, settings: Settings): Promise<ExportedMmproj | undefined> {
  const { engine, start } = services;
  try {
    const result = await withProgress(vscode.l10n.t('Export Vision Part'), (call) =>
      engine.call('mmproj/export', settings, {
        ...call,
        title: vscode.l10n.t('Export {0}', basename(settings.out)),
      }),
    );
    start(announce(result));
    return result;
  } catch (error) {
    tell(services, error);
    return undefined;
  }
}

function tell({ notices, log, start }: Services, error: unknown): void {
  if (error instanceof QuantscopeError && error.code === 'CANCELLED') return;
  log.error(`Export of a vision part: ${messageOf(error)}`);
  start(notices.error(vscode.l10n.t('The vision part was not exported. {0}', shownMessage(error))));
}

async function announce({ out, type, tensors, bytes, notes }: ExportedMmproj): Promise<void> {
  const open = vscode.l10n.t('Open');
  const written = vscode.l10n.t(
    'Written {0}: {1}, {2}, {3}.',
    basename(out),
    plural(tensors.length, 'tensor'),
    type,
    size(bytes),
  );
  const message = [written, ...notes.map(inLanguage)].join(' ');
  if ((await vscode.window.showInformationMessage(noticeText(message), open)) !== open) return;
  await vscode.commands.executeCommand('vscode.open', vscode.Uri.file(out));
}
