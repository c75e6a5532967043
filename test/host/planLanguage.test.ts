import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as vscode from 'vscode';
import type { Plan } from '../../src/protocol/plan';
import { commands } from '../../src/vscode/contributions';
import { eventually } from './eventually';
import { PlanFolder, rangeOf } from './planFolder';

const plans = new PlanFolder('plans');
const { folder } = plans;
const open = (name: string, text: string): Promise<vscode.TextDocument> => plans.open(name, text);

/** Codes of our problems of a document, once there are any. */
const codesOf = (document: vscode.TextDocument): string[] =>
  vscode.languages
    .getDiagnostics(document.uri)
    .flatMap(({ source, code }) => (source === 'Quantscope' && typeof code === 'string' ? [code] : []));

const ownFaultsOf = (uri: vscode.Uri): number =>
  vscode.languages.getDiagnostics(uri).filter(({ source }) => source === 'Quantscope').length;

const actionsAt = (document: vscode.TextDocument, text: string): Thenable<vscode.CodeAction[]> =>
  vscode.commands.executeCommand('vscode.executeCodeActionProvider', document.uri, rangeOf(document, text));

async function labelsAt(document: vscode.TextDocument, text: string): Promise<string[]> {
  const { items } = await vscode.commands.executeCommand<vscode.CompletionList>(
    'vscode.executeCompletionItemProvider',
    document.uri,
    rangeOf(document, text).end,
  );
  return items.map(({ label }) => (typeof label === 'string' ? label : label.label));
}

describe('plans and recipes in the text editor', () => {
  let plan: Plan;
  let right: string;

  before(async () => {
    await plans.fill();
    ({ plan, right } = plans);
  });

  after(() => plans.remove());

  /** With two misspelled names, a format that does not exist, and one that the rows do not fit. */
  const faulty = (): string =>
    right
      .replace('"tensor":"blk.0.attn_q.weight"', '"tensor":"blk.0.attn_qq.weight"')
      .replace('"tensor":"blk.1.attn_q.weight"', '"tensor":"blk.1.attn_qq.weight"')
      .replace(/("tensor":"blk\.2\.attn_q\.weight".*?"format":")\w+"/, '$1Q5_KK"');

  it('a plan without faults has none', async () => {
    const document = await open('right.ampq.json', right);
    const hints = await eventually('hints are there', async () => {
      const found = await hintsIn(document);
      return found.length > 0 ? found : undefined;
    });
    deepStrictEqual(codesOf(document), []);
    ok(hints.length >= plan.assignments.length, `${hints.length} hints`);
  });

  it('faults are listed at their places', async () => {
    const document = await open('faulty.ampq.json', faulty());
    await eventually('faults are listed', () => codesOf(document).length > 0);
    const codes = codesOf(document);
    strictEqual(codes.filter((code) => code === 'tensor/unknown').length, 2, codes.join());
    strictEqual(codes.filter((code) => code === 'format/unknown').length, 1, codes.join());
    const unknown = vscode.languages
      .getDiagnostics(document.uri)
      .find(({ code }) => code === 'format/unknown')!;
    strictEqual(document.getText(unknown.range), '"Q5_KK"');
    strictEqual(unknown.severity, vscode.DiagnosticSeverity.Error);
  });

  it('quick fixes change the text, one fault or all of a kind', async () => {
    const document = await open('fixed.ampq.json', faulty());
    await eventually('faults are listed', () => codesOf(document).length > 0);
    const actions = await actionsAt(document, 'blk.0.attn_qq.weight');
    const preferred = actions.filter(({ isPreferred }) => isPreferred);
    strictEqual(preferred.length, 1, actions.map(({ title }) => title).join());
    const all = actions.find(({ title }) => title.includes('tensor/unknown'))!;
    await vscode.workspace.applyEdit(all.edit!);
    ok(!document.getText().includes('attn_qq'));
    const [format] = await actionsAt(document, 'Q5_KK');
    await vscode.workspace.applyEdit(format!.edit!);
    await eventually(
      'unknown names are gone',
      () => !codesOf(document).some((code) => code.endsWith('/unknown')),
    );
    await vscode.commands.executeCommand('workbench.action.revertAndCloseActiveEditor');
  });

  it('hints are those of the range that is asked for', async () => {
    const document = await open('hints.ampq.json', right);
    const line = rangeOf(document, '"tensor":"output.weight"').start.line;
    const [hint, ...others] = await eventually('hints are there', async () => {
      const found = await hintsIn(document, document.lineAt(line).range);
      return found.length > 0 ? found : undefined;
    });
    strictEqual(others.length, 0);
    strictEqual(hint!.position.line, line);
    ok(/\d (B|kB|MB)/.test(hint!.label as string), JSON.stringify(hint!.label));
  });

  it('names, patterns and formats are completed', async () => {
    const text = right
      .replace('"tensor":"blk.0.attn_q.weight"', '"tensor":"blk.0.attn_"')
      .replace('"assignments"', '"constraints": [{"tensors": "ffn", "allow": ["Q8"]}],\n  "assignments"');
    const document = await open('completed.ampq.json', text);
    const names = await labelsAt(document, '"tensor":"blk.0.attn_');
    ok(names.includes('blk.0.attn_q.weight') && !names.includes('output.weight'), names.join());
    const patterns = await labelsAt(document, '"tensors": "ffn');
    ok(patterns.includes('^blk\\.\\d+\\.ffn_down\\.weight$'), patterns.join());
    const formats = await labelsAt(document, '"allow": ["Q8');
    ok(formats.includes('Q8_0'), formats.join());
    const sources = await labelsAt(document, '"tensor":"blk.1.ffn_up.weight","sources":["');
    strictEqual(sources[0], 'model.layers.1.mlp.up_proj.weight');
  });

  it('a recipe has them too', async () => {
    const recipe = {
      ...{ version: 1, id: 'own', label: 'own', description: 'own.', layout: 'gptq', target: 'checkpoint' },
      rules: [{ match: 'v_projj', grid: 'keep' }, { grid: 'int4-g128' }],
    };
    const document = await open('own.recipe.json', JSON.stringify(recipe, undefined, 2));
    await eventually('faults are listed', () => codesOf(document).length > 0);
    deepStrictEqual([...new Set(codesOf(document))], ['recipe/idle']);
    const grids = await labelsAt(document, '"grid": "');
    ok(grids.includes('keep') && grids.includes('int4-g128'), grids.join());
    const layouts = await labelsAt(document, '"layout": "');
    ok(layouts.includes('gptq') && layouts.includes('compressed-tensors-pack'), layouts.join());
    mkdirSync(join(folder, 'texts'), { recursive: true });
    writeFileSync(join(folder, 'texts', 'calibration.txt'), 'a');
    const written = {
      ...recipe,
      rules: [{ grid: 'int4-g128', method: { id: '' } }],
      calibration: { text: '' },
    };
    const other = await open('written.recipe.json', JSON.stringify(written, undefined, 2));
    const methods = await labelsAt(other, '"method": {\n        "id": "');
    ok(methods.includes('gptq'), methods.join());
    deepStrictEqual(await labelsAt(other, '"text": "'), ['texts/calibration.txt']);
  });

  it('a dry run shows what the text of a recipe makes of the model, as it is written', async () => {
    const recipe = {
      ...{ version: 1, id: 'own', label: 'own', description: 'own.', layout: 'gptq', target: 'checkpoint' },
      rules: [{ grid: 'int4-g128' }],
    };
    const document = await open('dry.recipe.json', JSON.stringify(recipe, undefined, 2));
    const lenses = await vscode.commands.executeCommand<vscode.CodeLens[]>(
      'vscode.executeCodeLensProvider',
      document.uri,
    );
    const dryRun = lenses.find(({ command }) => command?.command === commands.dryRunRecipe)!;
    const { command, arguments: given } = dryRun.command!;
    strictEqual(await vscode.commands.executeCommand(command, ...(given as unknown[])), true);
    const shown = vscode.workspace.textDocuments.find(({ uri }) => uri.scheme === 'quantscope-dry-run')!;
    ok(/int4, group 128 .* 42 /.test(shown.getText()), shown.getText());
    const change = new vscode.WorkspaceEdit();
    change.replace(document.uri, rangeOf(document, 'int4-g128'), 'int8-g128');
    await vscode.workspace.applyEdit(change);
    await eventually('the dry run follows', () => shown.getText().includes('int8'));
    ok(!shown.getText().includes('int4'));
    const broken = new vscode.WorkspaceEdit();
    broken.replace(document.uri, rangeOf(document, 'int8-g128'), 'wood');
    await vscode.workspace.applyEdit(broken);
    await eventually('its fault is told', () => shown.getText().includes('wood'));
    await vscode.commands.executeCommand('workbench.action.revertAndCloseActiveEditor');
  });

  /** Opened as the user does: a document that is opened for an extension outlives its editor by minutes. */
  async function openFaulty(name: string): Promise<vscode.Uri> {
    const uri = vscode.Uri.file(join(folder, name));
    writeFileSync(uri.fsPath, faulty());
    await vscode.commands.executeCommand('vscode.open', uri);
    await eventually('faults are listed', () => ownFaultsOf(uri) > 0);
    return uri;
  }

  it('a format that does not exist is told once', async () => {
    const uri = vscode.Uri.file(join(folder, 'once.ampq.json'));
    writeFileSync(uri.fsPath, faulty().replace('"version": 2', '"version": 3'));
    await vscode.commands.executeCommand('vscode.open', uri);
    const all = (): vscode.Diagnostic[] => vscode.languages.getDiagnostics(uri);
    await eventually('the schema has told its own', () =>
      all().some(({ source }) => source !== 'Quantscope'),
    );
    await eventually('faults are listed', () => ownFaultsOf(uri) > 0);
    const document = await vscode.workspace.openTextDocument(uri);
    const told = all().filter(({ range }) => range.contains(rangeOf(document, '"Q5_KK"')));
    deepStrictEqual(
      told.map(({ code }) => code),
      ['format/unknown'],
    );
  });

  it('faults go with the editor', async () => {
    const uri = await openFaulty('closed.ampq.json');
    await vscode.commands.executeCommand('workbench.action.closeActiveEditor');
    await eventually('faults are gone', () => ownFaultsOf(uri) === 0);
  });

  it('faults go with the file', async () => {
    const uri = await openFaulty('deleted.ampq.json');
    const edit = new vscode.WorkspaceEdit();
    edit.deleteFile(uri);
    ok(await vscode.workspace.applyEdit(edit));
    await eventually('faults are gone', () => ownFaultsOf(uri) === 0);
  });

  it('faults follow a file that is renamed, and go where it is no plan any longer', async () => {
    const uri = await openFaulty('renamed.ampq.json');
    const moved = vscode.Uri.file(join(folder, 'moved.ampq.json'));
    const other = vscode.Uri.file(join(folder, 'moved.json'));
    const rename = async (from: vscode.Uri, to: vscode.Uri): Promise<void> => {
      const edit = new vscode.WorkspaceEdit();
      edit.renameFile(from, to);
      ok(await vscode.workspace.applyEdit(edit));
      await eventually('faults of the old name are gone', () => ownFaultsOf(from) === 0);
    };
    await rename(uri, moved);
    await eventually('faults have the new name', () => ownFaultsOf(moved) > 0);
    await rename(moved, other);
    strictEqual(ownFaultsOf(other), 0);
  });

  it('lenses lead to the page of the plan, in the editor of its model', async () => {
    const document = await open('shown.ampq.json', right);
    const lenses = await vscode.commands.executeCommand<vscode.CodeLens[]>(
      'vscode.executeCodeLensProvider',
      document.uri,
    );
    const shown = lenses.find(({ command }) => command?.command === commands.openPlan)!;
    const { command, arguments: given } = shown.command!;
    strictEqual(await vscode.commands.executeCommand(command, ...(given as unknown[])), true);
    await eventually(
      'the tab has the name of the model, once that is open',
      () => vscode.window.tabGroups.activeTabGroup.activeTab?.label === 'plans',
    );
  });
});

const hintsIn = (document: vscode.TextDocument, range?: vscode.Range): Thenable<vscode.InlayHint[]> =>
  vscode.commands.executeCommand(
    'vscode.executeInlayHintProvider',
    document.uri,
    range ?? new vscode.Range(0, 0, document.lineCount, 0),
  );
