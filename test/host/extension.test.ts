import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as vscode from 'vscode';
import { writeSafetensors } from '../../src/exporter/writeSafetensors';
import type { ExtensionApi } from '../../src/extension';
import type { ExportedAdapter } from '../../src/protocol/adapters';
import type { OnnxResult } from '../../src/protocol/exportOnnx';
import type { ProvenanceResult } from '../../src/protocol/provenance';
import type { ModelComparisonState } from '../../src/protocol/editorState';
import type { ExportResult } from '../../src/protocol/export';
import type { CalibrationResult, EvaluationResult } from '../../src/protocol/evaluation';
import type { ExportedMmproj } from '../../src/protocol/mmproj';
import type { SavedReport } from '../../src/protocol/report';
import { commands, viewTypes } from '../../src/vscode/contributions';
import { writeAdapter } from '../support/adapters';
import { visionCheckpoints } from '../support/visionCheckpoints';
import { eventually } from './eventually';

const extension = vscode.extensions.getExtension<ExtensionApi>('quantscope.quantscope')!;
const folder = vscode.workspace.workspaceFolders![0]!.uri;
const file = (name: string): vscode.Uri => vscode.Uri.joinPath(folder, name);
const weights = file('model.safetensors');

const activeView = (): string | undefined => {
  const input = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
  return input instanceof vscode.TabInputCustom ? input.viewType : undefined;
};

/** Text of the hovers at the first place where `text` appears in a document. */
async function hoverAt(uri: vscode.Uri, text: string): Promise<string> {
  const document = await vscode.workspace.openTextDocument(uri);
  const position = document.positionAt(document.getText().indexOf(text) + 2);
  const hovers = await vscode.commands.executeCommand<vscode.Hover[]>(
    'vscode.executeHoverProvider',
    uri,
    position,
  );
  return hovers
    .flatMap((hover) => hover.contents.map((item) => (typeof item === 'string' ? item : item.value)))
    .join('\n');
}

describe('the extension', () => {
  let api: ExtensionApi;
  before(async () => {
    api = await extension.activate();
  });

  it('registers every command that it contributes', async () => {
    const registered = new Set(await vscode.commands.getCommands(true));
    for (const id of Object.values(commands)) ok(registered.has(id), id);
  });

  it('opens safetensors files in its editor and reads the header', async () => {
    await vscode.commands.executeCommand('vscode.open', weights);
    await eventually('the editor is in front', () => activeView() === viewTypes.model);
    await eventually('the header was read', () => api.session(weights.fsPath).description !== undefined);
    strictEqual(api.session(weights.fsPath).description?.tensors.length, 57);
  });

  it('opens an index as an alternative to the text editor', async () => {
    await vscode.commands.executeCommand(
      'vscode.openWith',
      file('model.safetensors.index.json'),
      viewTypes.index,
    );
    await eventually('the editor is in front', () => activeView() === viewTypes.index);
  });

  it('exports Q4_K_M from the palette command, and opens the result', async () => {
    const out = join(folder.fsPath, 'out-Q4_K_M.gguf');
    const result = await vscode.commands.executeCommand<ExportResult>(commands.exportQ4KM, {
      model: weights.fsPath,
      out,
    });
    strictEqual(readFileSync(out).subarray(0, 4).toString(), 'GGUF');
    strictEqual(statSync(out).size, result.fileBytes);
    strictEqual(result.tensors.find((tensor) => tensor.name === 'output.weight')?.to, 'Q6_K');
    await vscode.commands.executeCommand('vscode.open', vscode.Uri.file(out));
    await eventually('the editor is in front', () => activeView() === viewTypes.model);
    await eventually('the header was read', () => api.session(out).description?.format === 'gguf');
    const proof = await vscode.commands.executeCommand<ProvenanceResult>(commands.verifySource, {
      ...{ model: out, source: folder.fsPath },
    });
    deepStrictEqual([proof.isProven, proof.tensors, proof.fileType.name], [true, 57, 'Q4_K_M']);
    const isReport = ({ label }: vscode.Tab): boolean => label.includes('out-Q4_K_M.gguf against');
    await eventually('the report is shown', () => vscode.window.tabGroups.activeTabGroup.tabs.some(isReport));
  });

  it('leaves no file when an export fails', async () => {
    const out = join(folder.fsPath, 'broken.gguf');
    const result = await vscode.commands.executeCommand(commands.exportGguf, {
      model: weights.fsPath,
      out,
      type: 'Q9_X',
    });
    strictEqual(result, undefined);
    strictEqual(existsSync(out), false);
    strictEqual(readdirSync(folder.fsPath).filter((name) => name.includes('broken')).length, 0);
  });

  it('compares a model with an adapter merged into it', async () => {
    const adapter = `${folder.fsPath}-compared`;
    await writeAdapter(adapter, { modules: { 'model.layers.0.self_attn.q_proj': [256, 256] } });
    const { result, error } = await vscode.commands.executeCommand<ModelComparisonState>(
      commands.compareWithAdapters,
      { model: weights.fsPath, adapters: [{ path: adapter, weight: 0.5 }] },
    );
    strictEqual(error, undefined);
    const changed = result!.tensors.filter(({ status }) => status === 'different').map(({ name }) => name);
    deepStrictEqual(changed, ['model.layers.0.self_attn.q_proj.weight']);
  });

  it('writes a report, and puts a summary on the clipboard', async () => {
    const out = file('report.html').fsPath;
    const model = weights.fsPath;
    const report = await vscode.commands.executeCommand<SavedReport>(commands.exportReport, { model, out });
    strictEqual(statSync(out).size, report.bytes);
    ok(report.sections.includes('Where the bytes are'));
    rmSync(out);
    await vscode.commands.executeCommand(commands.copySummary, { model });
    const summary = await vscode.env.clipboard.readText();
    ok(/^# .*\n\nllama · safetensors · /.test(summary), summary.slice(0, 200));
  });

  it('writes an adapter for llama.cpp, and a model with it merged', async () => {
    const adapter = `${folder.fsPath}-adapter`;
    await writeAdapter(adapter, { modules: { 'model.layers.0.self_attn.q_proj': [256, 256] } });
    const out = file('adapter.gguf').fsPath;
    const written = await vscode.commands.executeCommand<ExportedAdapter>(commands.exportAdapter, {
      ...{ adapter, base: weights.fsPath, out },
    });
    strictEqual(written.tensors[0]?.name, 'blk.0.attn_q.weight');
    strictEqual(statSync(out).size, written.bytes);
    const merged = file('merged.gguf').fsPath;
    const result = await vscode.commands.executeCommand<ExportResult>(commands.exportWithAdapters, {
      ...{ model: weights.fsPath, adapters: [{ path: adapter, weight: 0.5 }] },
      ...{ type: 'F16', out: merged },
    });
    strictEqual(result.tensors.find(({ name }) => name === 'blk.0.attn_q.weight')?.from, 'F32');
    strictEqual(statSync(merged).size, result.fileBytes);
    for (const made of [out, merged]) rmSync(made);
  });

  it('writes the vision part of a multimodal model for llama.cpp', async () => {
    const source = `${folder.fsPath}-vision`;
    const { config, shapes, preprocessor } = visionCheckpoints['gemma3']!;
    mkdirSync(source);
    writeFileSync(join(source, 'config.json'), JSON.stringify(config));
    writeFileSync(join(source, 'preprocessor_config.json'), JSON.stringify(preprocessor));
    const parts = Object.entries(shapes).map(([name, shape]) => {
      const bytes = new Uint8Array(4 * shape.reduce((product, size) => product * size, 1));
      return { name, dtype: 'F32', shape, data: () => [bytes] };
    });
    await writeSafetensors(join(source, 'model.safetensors'), parts, {});
    const out = file('mmproj.gguf').fsPath;
    const written = await vscode.commands.executeCommand<ExportedMmproj>(commands.exportMmproj, {
      ...{ model: join(source, 'model.safetensors'), type: 'Q8_0', out },
    });
    strictEqual(written.projector, 'gemma3');
    strictEqual(statSync(out).size, written.bytes);
    rmSync(out);
    rmSync(source, { recursive: true });
  });

  it('exports ONNX into a folder, with the files that generation tools read', async () => {
    const out = `${folder.fsPath}-onnx`;
    const result = await vscode.commands.executeCommand<OnnxResult>(commands.exportOnnx, {
      ...{ model: weights.fsPath, out },
      settings: { weights: 'matmulnbits-4' },
    });
    strictEqual(statSync(join(out, 'model.onnx')).size, result.files[0]!.bytes);
    ok(readdirSync(out).includes('config.json'));
    rmSync(out, { recursive: true });
  });

  it('shows shape and dtype over a tensor name', async () => {
    const hover = await hoverAt(file('look.py'), 'model.layers.3.mlp.down_proj.weight');
    ok(hover.includes('\\[256, 768\\]') && hover.includes('BF16'), hover);
    ok(hover.includes(commands.revealTensor), hover);
    ok((await hoverAt(file('recipe.yaml'), 'lm_head.weight')).includes('\\[1024, 256\\]'));
    strictEqual(await hoverAt(file('recipe.yaml'), 'not.a.tensor'), '');
  });

  it('survives the death of the engine in the middle of a job and resumes', async function () {
    this.timeout(240_000);
    const session = api.session(weights.fsPath);
    // At once, in the event: a model of this size is measured in a blink.
    const killer = session.onEvent(() => {
      if (session.job.kind !== 'running' || (session.job.progress?.done ?? 0) <= 2) return;
      killer.dispose();
      process.kill(api.engineProcesses().find(({ kind }) => kind === 'job')!.pid!, 'SIGKILL');
    });
    await session.runSensitivity();
    strictEqual(session.job.kind, 'engine-died');
    const kept = session.sensitivity!.rows.reduce((sum, row) => sum + row.cells.length, 0);
    ok(kept > 2, `cells of the run that ended are shown: ${kept}`);
    let first: number | undefined;
    const watch = session.onEvent(() => {
      if (session.job.kind === 'running') first ??= session.job.progress?.done;
    });
    await session.resumeJob();
    watch.dispose();
    strictEqual(session.job.kind, 'idle');
    strictEqual(session.sensitivity!.rows.length, 44);
    const cells = session.sensitivity!.rows.reduce((sum, row) => sum + row.cells.length, 0);
    ok(first! >= kept && kept < cells, `only what was missing is measured again: ${first} of ${cells}`);
  });

  it('suggests bits in the hover once there is a plan, also over the plan itself', async () => {
    const out = join(folder.fsPath, 'tiny.ampq.json');
    await vscode.commands.executeCommand(commands.savePlan, {
      model: weights.fsPath,
      budget: { kind: 'bits-per-weight', value: 5 },
      out,
    });
    const hover = await hoverAt(vscode.Uri.file(out), 'model.layers.0.mlp.up_proj.weight');
    ok(/Suggested: \*\*Q\d_K\*\*, \d\.\d+ bits per weight/.test(hover), hover);
    ok(/\| suggested \| \*\*Q\d_K\*\* \| \d\.\d+ \|/.test(hover), hover);
  });

  it('shows in plan and hover how formats affect the output once the model was run over a text', async function () {
    this.timeout(240_000);
    const session = api.session(weights.fsPath);
    const before = session.plan!.total;
    await session.runSensitivity(file('generated-calibration.txt').fsPath);
    strictEqual(session.job.kind, 'idle');
    strictEqual(session.sensitivity!.gainsFrom!.tokens, 2048);
    const { bitsPerWeight, divergence } = session.plan!.total;
    ok(
      bitsPerWeight <= before.bitsPerWeight && bitsPerWeight > before.bitsPerWeight - 0.05,
      `${bitsPerWeight}`,
    );
    ok(divergence! > 1e-4 && divergence! < 3e-3, `${divergence}`);
    const { gain, cells } = session.sensitivity!.rows.find(({ tensor }) => tensor === 'output.weight')!;
    const { format: planned } = session.plan!.assignments.find(({ tensor }) => tensor === 'output.weight')!;
    const { relativeSquaredError } = cells.find(({ format }) => format === planned)!;
    const hover = await hoverAt(file('recipe.yaml'), 'lm_head.weight');
    const caused = (gain! * relativeSquaredError).toPrecision(2);
    ok(/SQNR dB \| KL divergence \|/.test(hover), hover);
    ok(new RegExp(`\\| \\*\\*${planned}\\*\\* \\| .* \\| ${caused} \\|`).test(hover), hover);
  });

  it('exports with the plan', async () => {
    const out = join(folder.fsPath, 'out-plan.gguf');
    const plan = join(folder.fsPath, 'tiny.ampq.json');
    const result = await vscode.commands.executeCommand<ExportResult>(commands.exportWithPlan, {
      model: weights.fsPath,
      plan,
      out,
    });
    strictEqual(statSync(out).size, result.fileBytes);
    ok(result.bitsPerWeight! < 5.1);
  });

  it('evaluates from the command, and computes an importance matrix', async () => {
    const text = join(folder.fsPath, 'generated-eval.txt');
    const result = await vscode.commands.executeCommand<EvaluationResult>(commands.evaluate, {
      model: weights.fsPath,
      settings: { text, type: 'Q4_K_M', windows: 2, device: 'cpu' },
    });
    strictEqual(result.text?.windows, 2);
    ok(result.text.perplexity.value > 1 && result.text.divergence!.mean.value > 0);
    const out = join(folder.fsPath, 'made.gguf');
    const matrix = await vscode.commands.executeCommand<CalibrationResult>(commands.computeImportance, {
      model: weights.fsPath,
      settings: { text, out, windows: 2, device: 'cpu' },
    });
    strictEqual(matrix.chunks, 2);
    strictEqual(readFileSync(out).subarray(0, 4).toString(), 'GGUF');
  });

  it('returns no result when an evaluation fails', async () => {
    const result = await vscode.commands.executeCommand(commands.evaluate, {
      model: weights.fsPath,
      settings: { text: join(folder.fsPath, 'no-such.txt'), device: 'cpu' },
    });
    strictEqual(result, undefined);
  });
});
