import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';
import * as vscode from 'vscode';
import { commands } from '../../src/vscode/contributions';
import type { ComparedPlans } from '../../src/vscode/planLanguage/comparedText';
import { PlanFolder } from './planFolder';

const plans = new PlanFolder('compared');

/** Shows an earlier version of a plan, as git does. */
const earlierVersion = (text: string): vscode.Disposable =>
  vscode.workspace.registerTextDocumentContentProvider('earlier', {
    provideTextDocumentContent: () => text,
  });

describe('two plans', () => {
  before(() => plans.fill());
  after(() => plans.remove());

  it('are compared as texts, with the sizes of the model', async () => {
    const [first] = plans.plan.assignments.filter(({ tensor }) => tensor === 'output.weight');
    const other = first!.format === 'Q8_0' ? 'Q6_K' : 'Q8_0';
    const edited = plans.right.replace(/("tensor":"output\.weight".*?"format":")\w+"/, `$1${other}"`);
    const [before, after] = [
      await plans.open('a.ampq.json', plans.right),
      await plans.open('b.ampq.json', edited),
    ];
    const compared = (await vscode.commands.executeCommand<ComparedPlans | undefined>(
      commands.comparePlans,
      before.uri,
      [before.uri, after.uri],
    ))!;
    deepStrictEqual(
      compared.changes.changed.map(({ tensor, after: now }) => [tensor, now!.format]),
      [['output.weight', other]],
    );
    ok(compared.changes.changed[0]!.bytes !== 0, 'the bytes are those of the new format');
    const { input, label } = vscode.window.tabGroups.activeTabGroup.activeTab!;
    strictEqual(label, 'a.ampq.json ↔ b.ampq.json (plans)');
    ok(input instanceof vscode.TabInputTextDiff);
    const texts = await Promise.all(
      [input.original, input.modified].map(async (uri) =>
        (await vscode.workspace.openTextDocument(uri)).getText().split('\n'),
      ),
    );
    strictEqual(texts[0]!.length, texts[1]!.length);
  });

  it('may be a file and an earlier version of it that an editor shows beside it', async () => {
    const { uri } = await plans.open('now.ampq.json', plans.right);
    const provider = earlierVersion(
      plans.right.replace(/("tensor":"output\.weight".*?"format":")\w+"/, '$1Q8_0"'),
    );
    const earlier = uri.with({ scheme: 'earlier', query: JSON.stringify({ path: uri.fsPath, ref: 'HEAD' }) });
    await vscode.commands.executeCommand('vscode.diff', earlier, uri);
    const { before, after, changes } = (await vscode.commands.executeCommand<ComparedPlans | undefined>(
      commands.comparePlans,
      uri,
    ))!;
    provider.dispose();
    deepStrictEqual([before.name, after.name], ['now.ampq.json (HEAD)', 'now.ampq.json']);
    deepStrictEqual([before.isStated, after.isStated], [false, false]);
    deepStrictEqual(
      changes.changed.map(({ tensor, before: then, after: now }) => [tensor, then!.format, now!.format]),
      [['output.weight', 'Q8_0', 'Q6_K']],
    );
    ok(changes.changed[0]!.bytes! < 0, 'the bytes are those of the formats, whatever the texts state');
  });
});
