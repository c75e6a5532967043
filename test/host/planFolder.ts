import { ok } from 'node:assert/strict';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as vscode from 'vscode';
import { printPlan } from '../../src/ampq/planFile';
import type { ExtensionApi } from '../../src/extension';
import type { Plan } from '../../src/protocol/plan';
import { planFor } from '../support/plans';

const extension = vscode.extensions.getExtension<ExtensionApi>('quantscope.quantscope')!;

/** A folder of the workspace with the sample and plans of it. */
export class PlanFolder {
  readonly folder: string;
  /** A plan without faults, and its text. */
  plan!: Plan;
  right!: string;

  constructor(name: string) {
    this.folder = join(vscode.workspace.workspaceFolders![0]!.uri.fsPath, name);
  }

  async fill(): Promise<void> {
    mkdirSync(this.folder, { recursive: true });
    const sample = join(extension.extensionPath, 'samples', 'tiny-shakespeare-llama');
    for (const file of ['model.safetensors', 'config.json', 'tokenizer.json'])
      cpSync(join(sample, file), join(this.folder, file));
    await extension.activate();
    const formats: Record<string, string> = { 'token_embd.weight': 'Q6_K', 'output.weight': 'Q6_K' };
    for (let layer = 0; layer < 6; layer++)
      for (const name of ['attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down'])
        formats[`blk.${layer}.${name}.weight`] = 'Q4_K';
    this.plan = await planFor(join(this.folder, 'model.safetensors'), formats);
    this.right = printPlan({ ...this.plan, budget: { kind: 'bits-per-weight', value: 6 } });
  }

  async remove(): Promise<void> {
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Writes a file and shows it. */
  async open(name: string, text: string): Promise<vscode.TextDocument> {
    writeFileSync(join(this.folder, name), text);
    const document = await vscode.workspace.openTextDocument(join(this.folder, name));
    await vscode.window.showTextDocument(document);
    return document;
  }
}

/** The range of a text of a document. */
export function rangeOf(document: vscode.TextDocument, text: string): vscode.Range {
  const at = document.getText().indexOf(text);
  ok(at >= 0, `${text} is missing`);
  return new vscode.Range(document.positionAt(at), document.positionAt(at + text.length));
}
