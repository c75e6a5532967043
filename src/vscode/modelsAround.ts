import { dirname } from 'node:path';
import type * as vscode from 'vscode';
import { lookupOrder } from './lookupOrder';
import { pathOf } from './remote/modelUri';
import type { Services } from './services';

/** Models that a document can be about, the likeliest first. */
export async function modelsAround(
  { sessions, workspaceModels }: Pick<Services, 'sessions' | 'workspaceModels'>,
  document: vscode.Uri,
): Promise<string[]> {
  const active = sessions.active?.path;
  const open = [...(active === undefined ? [] : [active]), ...sessions.all().map(({ path }) => path)];
  return lookupOrder(open, await workspaceModels.list(), dirname(pathOf(document)));
}
