import * as vscode from 'vscode';
import { commands } from '../contributions';
import { messageOf, shownMessage } from '../host';
import type { Services } from '../services';
import { comparedText, type ComparedPlans, type Side } from './comparedText';
import { activePlan, isPlan, pickPlan } from './planFiles';
import { readPlans } from './readPlans';

/** Of documents that show one side of a comparison. */
const scheme = 'quantscope-plans';

/** The files of a comparison, as addresses. */
type Pair = Readonly<Record<Side, string>>;

/**
 * Compare Plans…: two plan files in the editor that compares texts, as tables with sizes and expected errors. @returns what differs; undefined
 * where the user cancelled, or a file is not a plan: a notice has said so.
 */
export function registerComparePlans(services: Services): vscode.Disposable {
  const documents = new ComparedDocuments(services);
  return vscode.Disposable.from(
    documents,
    vscode.workspace.registerTextDocumentContentProvider(scheme, documents),
    vscode.commands.registerCommand(
      commands.comparePlans,
      async (clicked?: vscode.Uri, selected?: readonly vscode.Uri[]): Promise<ComparedPlans | undefined> => {
        try {
          const pair = await choosePair(clicked, selected);
          return pair && (await documents.show(pair));
        } catch (error) {
          services.log.error(`Compare plans: ${messageOf(error)}`);
          void services.notices.error(shownMessage(error));
          return undefined;
        }
      },
    ),
  );
}

/** Two that are selected in the explorer, or shown side by side in front; else the one that was clicked or is in front, and one that is asked for. */
async function choosePair(
  clicked: vscode.Uri | undefined,
  selected: readonly vscode.Uri[] = [],
): Promise<Pair | undefined> {
  const [first, second] = selected.filter(isPlan);
  if (first && second) return { before: first.toString(), after: second.toString() };
  const shown = shownPair();
  if (shown && (!clicked || Object.values(shown).includes(clicked.toString()))) return shown;
  const before = clicked ?? activePlan() ?? (await pickPlan(vscode.l10n.t('Compare which plan?')));
  if (!before) return undefined;
  const name = vscode.workspace.asRelativePath(before);
  const after = await pickPlan(vscode.l10n.t('Compare {0} with which plan?', name), before);
  return after && { before: before.toString(), after: after.toString() };
}

/** The plans of the editor in front that compares texts: two files, or a file with a version of it that git keeps. */
function shownPair(): Pair | undefined {
  const input = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
  if (!(input instanceof vscode.TabInputTextDiff)) return undefined;
  const { original, modified } = input;
  if (!isPlan(original) || !isPlan(modified)) return undefined;
  return { before: original.toString(), after: modified.toString() };
}

/** The texts of both sides of comparisons; those that are open follow their files. */
class ComparedDocuments implements vscode.TextDocumentContentProvider, vscode.Disposable {
  /** Both sides are asked for one after the other. */
  private readonly kept = new Map<string, Promise<ComparedPlans>>();
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  readonly onDidChange = this.changed.event;
  private readonly subscriptions: vscode.Disposable;

  constructor(private readonly services: Services) {
    this.subscriptions = vscode.Disposable.from(
      vscode.workspace.onDidSaveTextDocument(({ uri }) => isPlan(uri) && this.saved(uri)),
      vscode.workspace.onDidCloseTextDocument(
        ({ uri }) => uri.scheme === scheme && this.kept.delete(uri.query),
      ),
    );
  }

  /** @throws QuantscopeError for a file that is not a plan. */
  async show(pair: Pair): Promise<ComparedPlans> {
    this.kept.delete(JSON.stringify(pair));
    const compared = await this.compare(pair);
    const title = vscode.l10n.t('{0} ↔ {1} (plans)', compared.before.name, compared.after.name);
    await vscode.commands.executeCommand('vscode.diff', uriOf(pair, 'before'), uriOf(pair, 'after'), title);
    return compared;
  }

  async provideTextDocumentContent({ path, query }: vscode.Uri): Promise<string> {
    const side: Side = path.startsWith('/before/') ? 'before' : 'after';
    try {
      return comparedText(await this.compare(JSON.parse(query) as Pair), side);
    } catch (error) {
      return shownMessage(error);
    }
  }

  dispose(): void {
    this.subscriptions.dispose();
    this.changed.dispose();
  }

  private compare(pair: Pair): Promise<ComparedPlans> {
    const key = JSON.stringify(pair);
    const kept = this.kept.get(key);
    if (kept) return kept;
    const [before, after] = [vscode.Uri.parse(pair.before, true), vscode.Uri.parse(pair.after, true)];
    const compared = readPlans(this.services, before, after);
    this.kept.set(key, compared);
    compared.catch(() => this.kept.delete(key));
    return compared;
  }

  /** A plan was written. */
  private saved(plan: vscode.Uri): void {
    for (const { uri } of vscode.workspace.textDocuments)
      if (uri.scheme === scheme && Object.values(JSON.parse(uri.query) as Pair).includes(plan.toString())) {
        this.kept.delete(uri.query);
        this.changed.fire(uri);
      }
  }
}

/** Addresses of both sides have the name of their file at the end, which tabs show. */
function uriOf(pair: Pair, side: Side): vscode.Uri {
  const name = vscode.Uri.parse(pair[side], true).path.split('/').at(-1)!;
  return vscode.Uri.from({ scheme, path: `/${side}/${name}.txt`, query: JSON.stringify(pair) });
}
