import * as vscode from 'vscode';
import type { FormatBinding, FormatReasons } from '../../protocol/planFront';
import type { TensorContext } from '../../protocol/webview';
import { size } from '../../protocol/words';
import { commands } from '../contributions';
import { shownMessage } from '../host';
import type { ModelSession } from '../modelSession';
import type { Services } from '../services';
import { targetSession } from './targets';

type Argument = Partial<Pick<TensorContext, 'quantscopeModel' | 'quantscopeNames'>>;

/** The menu of the plan's tensors: Pin Format…, Exclude Format…, Release Format. */
export function registerPlanFormats(services: Services): vscode.Disposable {
  const register = (command: string, kind: FormatBinding['kind']): vscode.Disposable =>
    vscode.commands.registerCommand(command, (argument?: Argument) => bind(services, kind, argument));
  return vscode.Disposable.from(
    register(commands.pinFormat, 'pin'),
    register(commands.excludeFormat, 'exclude'),
    register(commands.releaseFormat, 'release'),
  );
}

async function bind(
  services: Services,
  kind: FormatBinding['kind'],
  { quantscopeModel: model, quantscopeNames: tensors = [] }: Argument = {},
): Promise<void> {
  const session = await targetSession(services, model === undefined ? undefined : { model });
  if (!session || tensors.length === 0) return;
  try {
    if (kind === 'release') session.plans.bind(tensors, { kind });
    else {
      const format = await pickFormat(session, kind, tensors);
      if (format !== undefined) session.plans.bind(tensors, { kind, format });
    }
  } catch (error) {
    void services.notices.error(shownMessage(error));
  }
}

const titles = {
  pin: vscode.l10n.t('Pin to which format?'),
  exclude: vscode.l10n.t('Exclude which format?'),
} as const;

/** Formats that were measured of the first of the tensors; the one that it has comes first. */
async function pickFormat(
  session: ModelSession,
  kind: keyof typeof titles,
  tensors: readonly string[],
): Promise<string | undefined> {
  const { format, options } = session.plans.reasons(tensors[0]!);
  const picked = await vscode.window.showQuickPick(
    [...options]
      .sort((a, b) => Number(b.format === format) - Number(a.format === format))
      .map((option) => ({ label: option.format, description: descriptionOf(option, format) })),
    // A menu of the page may give the focus back to the page after the list has opened.
    { title: titles[kind], matchOnDescription: true, ignoreFocusOut: true },
  );
  return picked?.label;
}

const descriptionOf = (
  { format, bitsPerWeight, bytes }: FormatReasons['options'][number],
  planned: string,
): string =>
  vscode.l10n.t(
    '{0} bits per weight, {1}{2}',
    bitsPerWeight.toFixed(2),
    size(bytes),
    format === planned ? vscode.l10n.t(', planned now') : '',
  );
