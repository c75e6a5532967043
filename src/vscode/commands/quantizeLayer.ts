import * as vscode from 'vscode';
import type { FormatDescription } from '../../protocol/formats';
import type { TensorContext } from '../../protocol/webview';
import { commands } from '../contributions';
import { openEditor } from '../editor/openEditor';
import type { Services } from '../services';
import { targetSession } from './targets';

type Argument = Partial<Pick<TensorContext, 'quantscopeModel' | 'quantscopeTensors'>> & {
  readonly alone?: boolean;
  /** Formats, when the caller already knows them. */
  readonly formats?: readonly string[];
  /** Asks for formats even for one tensor. */
  readonly choose?: boolean;
};

const lastFormatsKey = 'quantscope.lastFormats';
const firstFormats = ['Q4_0', 'Q4_K', 'Q6_K', 'Q8_0', 'nf4'];

/**
 * Right-click → Quantize Layer…: one tensor by recipes; several in formats of a quick pick. Errors and sizes are in the editor.
 */
export function registerQuantizeLayer(services: Services): vscode.Disposable {
  return vscode.commands.registerCommand(commands.quantizeLayer, async (argument?: Argument) => {
    const model = argument?.quantscopeModel;
    const alone = argument?.alone;
    const session = await targetSession(
      services,
      model === undefined ? undefined : { model, ...(alone === undefined ? {} : { alone }) },
    );
    if (!session) return;
    await session.ensureLoaded();
    const tensors =
      argument?.quantscopeTensors ??
      (await pickTensors(session.description?.tensors.filter((item) => item.readable) ?? []));
    if (!tensors || tensors.length === 0) return;
    if (tensors.length === 1 && !argument?.formats && !argument?.choose)
      return openEditor(services, session, { tensor: tensors[0]!, tab: 'methods' });
    const formats = argument?.formats ?? (await pickFormats(services));
    if (!formats || formats.length === 0) return;
    await openEditor(services, session, { tab: 'quantize' });
    await session.compare(tensors, formats);
  });
}

async function pickTensors(
  tensors: readonly { name: string; dtype: string }[],
): Promise<string[] | undefined> {
  const picked = await vscode.window.showQuickPick(
    tensors.map((tensor) => ({ label: tensor.name, description: tensor.dtype })),
    { title: vscode.l10n.t('Quantize which tensors?'), canPickMany: true, matchOnDescription: true },
  );
  return picked?.map((item) => item.label);
}

const families: Readonly<Record<FormatDescription['family'], string>> = {
  gguf: vscode.l10n.t('GGUF (llama.cpp)'),
  bitsandbytes: 'bitsandbytes',
  float: vscode.l10n.t('Floats'),
  integer: vscode.l10n.t('Integer'),
};

async function pickFormats({ engine, context }: Services): Promise<string[] | undefined> {
  const formats = await engine.call('formats/list', {});
  const stored = context.workspaceState.get<string[]>(lastFormatsKey);
  const last = new Set(stored ?? firstFormats);
  const items: (vscode.QuickPickItem & { id?: string })[] = [];
  const addGroup = (title: string, group: readonly FormatDescription[]): void => {
    items.push({ label: title, kind: vscode.QuickPickItemKind.Separator });
    for (const { id, label, description, nominalBitsPerWeight } of group) {
      const bits = vscode.l10n.t('{0} bits per weight', nominalBitsPerWeight.toFixed(2));
      items.push({ id, label, description: bits, detail: description, picked: last.has(id) });
    }
  };
  addGroup(
    stored ? vscode.l10n.t('Chosen last time') : vscode.l10n.t('Usual'),
    formats.filter((format) => last.has(format.id)),
  );
  for (const [family, title] of Object.entries(families)) {
    addGroup(
      title,
      formats.filter((format) => format.family === family && !last.has(format.id)),
    );
  }
  const picked = await vscode.window.showQuickPick(items, {
    title: vscode.l10n.t('Quantize Layer: formats to compare'),
    canPickMany: true,
    ignoreFocusOut: true, // a multiple selection is not lost when the focus moves
    matchOnDescription: true,
    matchOnDetail: true,
  });
  const ids = picked?.flatMap((item) => (item.id === undefined ? [] : [item.id]));
  if (ids && ids.length > 0) await context.workspaceState.update(lastFormatsKey, ids);
  return ids;
}
