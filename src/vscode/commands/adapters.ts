import { statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import * as vscode from 'vscode';
import { folderBeside } from '../remote/modelUri';
import { QuantscopeError } from '../../model/errors';
import type { ExportAdapterParams, ExportedAdapter } from '../../protocol/adapters';
import type { ExportResult } from '../../protocol/export';
import type { AdapterRef } from '../../protocol/model';
import { plural, size } from '../../protocol/words';
import { commands } from '../contributions';
import { messageOf, shownMessage } from '../host';
import type { Services } from '../services';
import { isPossible, pickModel, wholeSession, type ModelArgument } from './targets';
import { withProgress } from './withProgress';
import { noticeText } from '../noticeText';

/** What the explorer or other code may pass; with all three nothing is asked. */
type AdapterArgument =
  vscode.Uri | { readonly adapter?: string; readonly base?: string; readonly out?: string } | undefined;

/** Arguments that other code may pass, as those of Export GGUF. */
type MergedArgument = ModelArgument & { readonly adapters?: readonly AdapterRef[] };

/**
 * Export Adapter to GGUF…: an adapter of PEFT for llama.cpp. Export GGUF with Adapters…: a model with adapters merged into it, whose weights are
 * asked for one by one.
 */
export function registerAdapters(services: Services): vscode.Disposable {
  return vscode.Disposable.from(
    vscode.commands.registerCommand(
      commands.exportAdapter,
      async (argument?: AdapterArgument): Promise<ExportedAdapter | undefined> => {
        const params = await paramsOf(services, argument);
        return params && exportAdapter(services, params);
      },
    ),
    vscode.commands.registerCommand(
      commands.exportWithAdapters,
      async (argument?: MergedArgument): Promise<ExportResult | undefined> => {
        const session = await wholeSession(services, argument);
        if (!session || !(await isPossible(services, session, 'gguf'))) return undefined;
        const adapters = argument?.adapters ?? (await askAdapters(session.folder));
        if (!adapters) return undefined;
        const settings = argument instanceof vscode.Uri ? {} : argument;
        return vscode.commands.executeCommand(commands.exportGguf, {
          ...{ ...settings, model: session.path, adapters },
        });
      },
    ),
  );
}

/** @returns undefined when the user cancelled. */
async function paramsOf(
  services: Services,
  argument: AdapterArgument,
): Promise<ExportAdapterParams | undefined> {
  const given = argument instanceof vscode.Uri ? { adapter: argument.fsPath } : (argument ?? {});
  const adapter = given.adapter ?? (await askFolders(vscode.l10n.t('Adapter'), false))?.[0];
  if (adapter === undefined) return undefined;
  const folder = folderOfAdapter(adapter);
  const title = vscode.l10n.t('Which model was {0} trained on?', basename(folder));
  const path = given.base ?? (await pickModel(services, title));
  if (path === undefined) return undefined;
  const out = given.out ?? (await askTarget(folder));
  return out === undefined ? undefined : { path, adapter, out };
}

const folderOfAdapter = (path: string): string =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() ? path : dirname(path);

async function askTarget(folder: string): Promise<string | undefined> {
  const target = await vscode.window.showSaveDialog({
    defaultUri: vscode.Uri.file(join(folder, `${basename(folder)}-lora.gguf`)),
    filters: { GGUF: ['gguf'] },
    title: vscode.l10n.t('Export Adapter to GGUF'),
  });
  return target?.fsPath;
}

async function askFolders(title: string, many: boolean, start?: string): Promise<string[] | undefined> {
  const folders = await vscode.window.showOpenDialog({
    ...{ title, canSelectFiles: false, canSelectFolders: true, canSelectMany: many },
    ...(start === undefined ? {} : { defaultUri: vscode.Uri.file(start) }),
  });
  return folders?.map(({ fsPath }) => fsPath);
}

/** Adapters and their weights; undefined when the user cancelled. */
export async function askAdapters(beside: string): Promise<readonly AdapterRef[] | undefined> {
  const paths = await askFolders(vscode.l10n.t('Adapters to merge'), true, folderBeside(beside));
  if (!paths) return undefined;
  const adapters: AdapterRef[] = [];
  for (const path of paths) {
    const weight = await vscode.window.showInputBox({
      ...{ title: vscode.l10n.t('Weight of {0}', basename(path)), value: '1', ignoreFocusOut: true },
      prompt: vscode.l10n.t('What its change is multiplied by; 1 as it was trained'),
      validateInput: (text) =>
        weightOf(text) === undefined ? vscode.l10n.t('A number is needed.') : undefined,
    });
    if (weight === undefined) return undefined;
    adapters.push({ path, weight: weightOf(weight)! });
  }
  return adapters;
}

function weightOf(text: string): number | undefined {
  const weight = Number(text);
  return text.trim() !== '' && Number.isFinite(weight) ? weight : undefined;
}

/** @returns undefined when it was cancelled or failed; a notice has said why. */
async function exportAdapter(
  { engine, log, notices, start }: Services,
  params: ExportAdapterParams,
): Promise<ExportedAdapter | undefined> {
  try {
    const result = await withProgress(vscode.l10n.t('Export Adapter to GGUF'), (call) =>
      engine.call('adapter/export', params, {
        ...call,
        title: vscode.l10n.t('Export {0}', basename(params.out)),
      }),
    );
    start(announce(result));
    return result;
  } catch (error) {
    if (error instanceof QuantscopeError && error.code === 'CANCELLED') return undefined;
    log.error(`Export of an adapter: ${messageOf(error)}`);
    start(notices.error(vscode.l10n.t('The adapter was not exported. {0}', shownMessage(error))));
    return undefined;
  }
}

async function announce({ out, tensors, bytes }: ExportedAdapter): Promise<void> {
  const open = vscode.l10n.t('Open');
  const message = vscode.l10n.t(
    'Written {0}: {1}, {2}.',
    basename(out),
    plural(tensors.length, 'changed tensor'),
    size(bytes),
  );
  if ((await vscode.window.showInformationMessage(noticeText(message), open)) !== open) return;
  await vscode.commands.executeCommand('vscode.open', vscode.Uri.file(out));
}
