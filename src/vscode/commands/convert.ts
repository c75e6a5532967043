import { statSync } from 'node:fs';
import { basename, join } from 'node:path';
import * as vscode from 'vscode';
import { folderBeside, outputFolder } from '../remote/modelUri';
import { QuantscopeError } from '../../model/errors';
import type { ConvertParams, ConvertResult, ConvertSettings } from '../../protocol/convert';
import { plural, size } from '../../protocol/words';
import { inLanguage } from '../../protocol/said';
import { commands } from '../contributions';
import {
  checkpointFolder,
  formChoices,
  previewText,
  safetensorsFile,
  settingsChoices,
  type Choice,
  type ConvertForm,
} from '../convertChoices';
import { messageOf, shownMessage } from '../host';
import type { ModelSession } from '../modelSession';
import { freeFolder } from '../paths';
import type { Services } from '../services';
import { wholeSession, type ModelArgument } from './targets';
import { withProgress } from './withProgress';
import { noticeText } from '../noticeText';

/** Arguments that other code may pass; with `out` nothing is asked. */
type ConvertArgument = ModelArgument & { readonly settings?: ConvertSettings; readonly out?: string };

/** Convert to Safetensors…: what is done to the weights and in which form in quick picks, the place, then what it would be. */
export function registerConvert(services: Services): vscode.Disposable {
  return vscode.commands.registerCommand(
    commands.convertToSafetensors,
    async (argument?: ConvertArgument): Promise<ConvertResult | undefined> => {
      const session = await wholeSession(services, argument);
      if (!session) return undefined;
      const params =
        argument?.out === undefined
          ? await ask(services, session)
          : { ...session.ref, ...argument.settings, out: argument.out };
      return params && convert(services, params);
    },
  );
}

/** @returns undefined when the user cancelled, or a notice has said why it is not possible. */
async function ask(services: Services, session: ModelSession): Promise<ConvertParams | undefined> {
  await session.ensureLoaded();
  if (!session.description) return undefined;
  const settings = await pick(
    vscode.l10n.t('Convert to Safetensors: weights'),
    settingsChoices(session.description),
  );
  if (!settings) return undefined;
  const form = await pick(vscode.l10n.t('Convert to Safetensors: files'), formChoices);
  const out = form && (await askTarget(session, form, settings));
  if (out === undefined) return undefined;
  const params = { ...session.ref, ...settings, ...(form === 'single' ? { single: true } : {}), out };
  return (await isConfirmed(services, params)) ? params : undefined;
}

async function pick<T>(title: string, choices: readonly Choice<T>[]): Promise<T | undefined> {
  const picked = await vscode.window.showQuickPick([...choices], {
    ...{ title, matchOnDetail: true },
    ignoreFocusOut: true, // the page takes the focus back between two of them
  });
  return picked?.value;
}

async function askTarget(
  session: ModelSession,
  form: ConvertForm,
  { dtype }: ConvertSettings,
): Promise<string | undefined> {
  const name = `${session.fileName}${dtype === undefined ? '' : `-${dtype}`}`;
  const file = vscode.Uri.file(join(outputFolder(session.folder), `${name}.safetensors`));
  // No results go into the folder of a checkpoint.
  const beside =
    session.description?.format === 'gguf' ? outputFolder(session.folder) : folderBeside(session.folder);
  const folder = vscode.Uri.file(freeFolder(join(beside, `${name}-safetensors`)));
  const target = await vscode.window.showSaveDialog(
    form === 'file'
      ? {
          defaultUri: file,
          filters: { Safetensors: ['safetensors'] },
          title: vscode.l10n.t('Convert to Safetensors'),
        }
      : { defaultUri: folder, title: vscode.l10n.t('Folder for the checkpoint') },
  );
  return target && (form === 'file' ? safetensorsFile : checkpointFolder)(target.fsPath);
}

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() === true;

/** The dry run: what would be written, which the user confirms. Headers of many files, or an output that may be the embedding, take a while. */
async function isConfirmed(services: Services, params: ConvertParams): Promise<boolean> {
  try {
    const preview = await withProgress(vscode.l10n.t('Convert to Safetensors: reading headers'), (call) =>
      services.engine.call('model/convertPreview', params, call),
    );
    const start = vscode.l10n.t('Convert');
    const detail = previewText(preview, isFile(params.out));
    const message = vscode.l10n.t('Convert to {0}?', basename(params.out));
    return (await vscode.window.showInformationMessage(message, { modal: true, detail }, start)) === start;
  } catch (error) {
    tell(services, error);
    return false;
  }
}

/** @returns undefined when it was cancelled or failed; a notice has said why. */
async function convert(services: Services, params: ConvertParams): Promise<ConvertResult | undefined> {
  const { engine, start } = services;
  try {
    const result = await withProgress(vscode.l10n.t('Convert to Safetensors'), (call) =>
      engine.call('model/convert', params, {
        ...call,
        title: vscode.l10n.t('Convert to {0}', basename(params.out)),
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
  log.error(`Conversion: ${messageOf(error)}`);
  start(notices.error(vscode.l10n.t('The conversion failed. {0}', shownMessage(error))));
}

async function announce({ out, bytes, tensors, files, notes }: ConvertResult): Promise<void> {
  const open = vscode.l10n.t('Open');
  const message = [
    vscode.l10n.t('Written {0}: {1}, {2}.', basename(out), plural(tensors, 'tensor'), size(bytes)),
    ...notes.map(inLanguage),
  ].join(' ');
  if ((await vscode.window.showInformationMessage(noticeText(message), open)) !== open) return;
  const first = /\.safetensors$/i.test(out) ? out : join(out, files[0]!);
  await vscode.commands.executeCommand('vscode.open', vscode.Uri.file(first));
}
