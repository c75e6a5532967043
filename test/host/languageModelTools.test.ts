import { deepStrictEqual, match, ok, rejects, strictEqual } from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as vscode from 'vscode';
import { writeSafetensors } from '../../src/exporter/writeSafetensors';

const folder = vscode.workspace.workspaceFolders![0]!.uri.fsPath;
const tensor = 'model.layers.3.mlp.down_proj.weight';
const budget = { budget: '5bpw', weightsOnly: true };

interface Answer {
  readonly text: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Invokes a tool as an extension does. Confirmations are given: the test runner's windows accept all dialogs. */
async function invoke(
  name: string,
  input: object,
  token?: vscode.CancellationToken,
  tokenBudget?: number,
): Promise<Answer> {
  const countTokens = (text: string): Promise<number> => Promise.resolve(text.length);
  const { content } = await vscode.lm.invokeTool(
    `quantscope_${name}`,
    {
      ...{ input, toolInvocationToken: undefined },
      ...(tokenBudget === undefined ? {} : { tokenizationOptions: { tokenBudget, countTokens } }),
    },
    token,
  );
  const [text, json] = content.map((part) => (part as vscode.LanguageModelTextPart).value);
  return { text: text!, data: json === undefined ? {} : (JSON.parse(json) as Answer['data']) };
}

const written = (name: string): string => join(folder, name);

describe('tools for language models', () => {
  after(() => {
    for (const name of ['asked.ampq.json', 'asked.gguf', 'half.gguf']) rmSync(written(name), { force: true });
  });

  it('are all registered with their descriptions', () => {
    const names = vscode.lm.tools.filter(({ tags }) => tags.includes('quantscope')).map(({ name }) => name);
    ok(names.includes('quantscope_inspect_model'), String(names));
    ok(names.length >= 7, String(names));
  });

  it('inspect a model by a path relative to the workspace', async () => {
    const { text, data } = await invoke('inspect_model', { model: '.', contains: 'down_proj', count: 1 });
    strictEqual(data['matching'], 6);
    match(text, /Tensors 1 to 1 of 6/);
  });

  it('give the statistics of a tensor, and explain it', async () => {
    const { data } = await invoke('tensor_statistics', { model: folder, tensor });
    ok(typeof (data['statistics'] as { count: unknown }).count === 'number');
    const explained = await invoke('explain_tensor', { model: folder, tensor, formats: ['Q4_K'] });
    strictEqual((explained.data['errors'] as { format: string }[])[0]?.format, 'Q4_K');
  });

  it('estimate memory', async () => {
    const { text } = await invoke('estimate', { model: folder, formats: ['Q4_K_M'] });
    match(text, /Q4_K_M/);
  });

  it('recommend a plan, write it after a confirmation, and export by it', async () => {
    const { data } = await invoke('recommend_plan', { model: folder, ...budget });
    ok((data['bitsPerWeight'] as number) <= 5);
    const plan = written('asked.ampq.json');
    await invoke('write_plan', { model: folder, ...budget, out: plan });
    strictEqual(
      (JSON.parse(readFileSync(plan, 'utf8')) as { version?: unknown }).version !== undefined,
      true,
    );
    const out = written('asked.gguf');
    const exported = await invoke('export_gguf', { model: folder, plan: 'asked.ampq.json', out });
    strictEqual(exported.data['bytes'], statSync(out).size);
    await rejects(invoke('export_gguf', { model: folder, type: 'Q8_0', out }), /"overwrite" permits/);
  });

  it('write nothing over the model, nor outside of the workspace', async () => {
    const before = readFileSync(written('model.safetensors'));
    const out = join(tmpdir(), 'quantscope-outside.gguf');
    await rejects(invoke('export_gguf', { model: folder, type: 'Q8_0', out }), /outside of the workspace/);
    strictEqual(existsSync(out), false);
    const half = written('half.gguf');
    await invoke('export_gguf', { model: folder, type: 'F16', out: half });
    const bytes = readFileSync(half);
    const over = { model: half, type: 'Q4_0', out: half, overwrite: true };
    await rejects(invoke('export_gguf', over), /half\.gguf/);
    deepStrictEqual(readFileSync(half), bytes);
    deepStrictEqual(readFileSync(written('model.safetensors')), before);
  });

  it('read a model outside of the workspace only while it is open', async () => {
    const outside = mkdtempSync(join(tmpdir(), 'quantscope-open-'));
    const model = join(outside, 'small.safetensors');
    const weights = { name: 'w', dtype: 'F32', shape: [2, 2], data: () => [new Uint8Array(16)] };
    await writeSafetensors(model, [weights], {});
    await rejects(invoke('inspect_model', { model }), /outside of the workspace and is not open/);
    await vscode.commands.executeCommand('vscode.open', vscode.Uri.file(model));
    const { data } = await invoke('inspect_model', { model });
    strictEqual(data['matching'], 1);
    await vscode.commands.executeCommand('workbench.action.closeActiveEditor');
    rmSync(outside, { recursive: true, force: true });
  });

  it('name the fields of an input that are wrong', async () => {
    await rejects(invoke('inspect_model', { model: '.', colour: 'red' }), /colour/);
    await rejects(invoke('tensor_statistics', { model: '.', tensor: 'none' }), /none/);
  });

  it('leave out the data where the caller has no room for it', async () => {
    const { text, data } = await invoke('inspect_model', { model: '.', count: 0 }, undefined, 1);
    ok(text.length > 1);
    deepStrictEqual(data, {});
  });

  it('cut the text to the room of the caller, and say so', async () => {
    const { text, data } = await invoke('inspect_model', { model: '.' }, undefined, 1_000);
    ok(text.length <= 1_000, text);
    match(text, /\n\[Cut to the room that the caller has: \d+ of \d+ lines\. /);
    deepStrictEqual(data, {});
  });

  it('can be cancelled', async () => {
    const source = new vscode.CancellationTokenSource();
    const running = invoke('recommend_plan', { model: folder, budget: '4.2bpw' }, source.token);
    setTimeout(() => source.cancel(), 300);
    await rejects(running);
  });
});
