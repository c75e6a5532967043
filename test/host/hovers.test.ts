import { ok, strictEqual } from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as vscode from 'vscode';
import { commands } from '../../src/vscode/contributions';
import { eventually } from './eventually';

const extension = vscode.extensions.getExtension('quantscope.quantscope')!;
const folder = vscode.workspace.workspaceFolders![0]!.uri.fsPath;
const shared = join(dirname(extension.extensionPath), 'shared', 'data', 'index');

/** Writes a document of the workspace and opens it. */
async function documentOf(name: string, text: string): Promise<vscode.TextDocument> {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return vscode.workspace.openTextDocument(path);
}

/** Text of the hovers at the first place where a text appears in a document. */
async function hoverAt(document: vscode.TextDocument, text: string): Promise<string> {
  const at = document.getText().indexOf(text);
  ok(at >= 0, `${text} is in ${document.fileName}`);
  const hovers = await vscode.commands.executeCommand<vscode.Hover[]>(
    'vscode.executeHoverProvider',
    document.uri,
    document.positionAt(at + 2),
  );
  const ours = hovers.flatMap(({ contents }) =>
    contents.map((item) => (typeof item === 'string' ? item : item.value)),
  );
  return ours.join('\n');
}

/** A document, a text of it, and what its hover must contain; nothing where that is empty. */
type Case = readonly [name: string, document: string, at: string, expected: readonly string[]];

const down = ['**model.layers.3.mlp.down_proj.weight**', 'BF16 · \\[256, 768\\]', 'blk.3.ffn_down.weight'];
const values = ['6 tensors · in 6 layers · 196,608 weights', 'Suggested for 6 tensors: '];

const cases: readonly Case[] = [
  ['names/index.json', '{"weight_map": {"lm_head.weight": "m"}}', 'lm_head', ['\\[1024, 256\\]', 'Output']],
  ['names/config.json', '{"quantization_config": {"ignore": ["re:.*v_proj"]}}', 're:', values],
  ['names/quantize_config.json', '{"dynamic": {"-:.*v_proj": {}}}', '-:', values],
  ['names/a.py', 'x = "model.layers.3.mlp.down_proj"', 'model', down],
  ['names/b.py', 'BitsAndBytesConfig(llm_int8_skip_modules=["v_proj"])', 'v_proj', values],
  ['names/c.py', 'AwqConfig(modules_to_not_convert=["self_attn.v_proj"])', 'self_attn', values],
  ['names/d.py', 'GPTQConfig(modules_in_block_to_quantize=[["mlp.up_proj"]])', 'mlp', ['6 tensors']],
  [
    'names/llmcompressor.yaml',
    'a_stage:\n  GPTQModifier:\n    ignore: ["re:.*v_proj"]\n',
    '.*v_proj',
    values,
  ],
  ['names/autoround.yaml', 'layer_config:\n  lm_head: {bits: 16}\n', 'lm_head', ['\\[1024, 256\\]']],
  ['names/merge.yaml', 'merge_method: slerp\nx:\n  - filter: v_proj\n', 'v_proj', values],
  ['names/q.sh', 'llama-quantize --tensor-type attn_v=q8_0 a.gguf', 'attn_v', values],
  ['names/q.md', 'Use `llama-quantize --tensor-type "blk\\.3\\.ffn_down=q8_0"`.', 'blk', down],
  ['names/plan.ampq.json', '{"constraints": [{"tensors": "attn_v"}]}', 'attn_v', values],
  ['names/my-recipe.json', '{"rules": [{"match": "v_proj"}]}', 'v_proj', values],
  ['names/module.py', 'x = "model.layers.3.mlp"', 'model', ['3 tensors', '589,824 weights', 'saves']],
  ['names/unknown.py', 'x = "torch.nn.functional"', 'torch', []],
  ['names/prose.md', 'See e.g. the end of it.', 'e.g.', []],
];

describe('hovers over names', () => {
  before(async () => {
    await extension.activate();
  });

  // Later tests count the models of the workspace.
  after(() => {
    for (const name of ['names', 'real']) rmSync(join(folder, name), { recursive: true, force: true });
  });

  for (const [name, text, at, expected] of cases)
    it(`are shown in ${name}`, async () => {
      const hover = await hoverAt(await documentOf(name, text), at);
      for (const part of expected) ok(hover.includes(part), `${part} is missing:\n${hover}`);
      if (expected.length === 0) strictEqual(hover, '');
    });

  it('estimate before anything was measured, and offer to measure', async () => {
    const hover = await hoverAt(
      await documentOf('names/a.py', 'x = "model.layers.3.mlp.down_proj"'),
      'model',
    );
    ok(hover.includes('Estimate from the header') && hover.includes('| one step up |'), hover);
    for (const id of [commands.revealTensor, commands.quantizeLayer, commands.runSensitivity])
      ok(hover.includes(`command:${id}?`), id);
  });

  it('are shown over real indexes and configurations, also of models without their shards', async function () {
    if (!existsSync(shared)) this.skip();
    for (const model of ['mixtral-8x22b-wizardlm2', 'qwen-vl-chat-gptq-int4', 'molmo7b-bnb-nf4'])
      cpSync(join(shared, model), join(folder, 'real', model), { recursive: true });
    const open = (...path: string[]) => vscode.workspace.openTextDocument(join(folder, 'real', ...path));
    const index = await open('mixtral-8x22b-wizardlm2', 'model.safetensors.index.json');
    const expert = 'model.layers.9.block_sparse_moe.experts.3.w1.weight';
    await eventually('the model of the index is known', async () =>
      (await hoverAt(index, expert)).includes('mixtral-8x22b-wizardlm2'),
    );
    ok((await hoverAt(index, expert)).includes('model-00'), 'the shard that is missing is named');
    const config = await open('molmo7b-bnb-nf4', 'config.json');
    const skipped = await hoverAt(config, 'model.vision_backbone');
    ok(/\d+ tensors .*molmo7b-bnb-nf4|molmo7b-bnb-nf4[^]*\d+ tensors/.test(skipped), skipped);
  });

  it('come from what the engine keeps', async function () {
    const document = await documentOf('names/a.py', 'x = "model.layers.3.mlp.down_proj"');
    const plain = await documentOf('names/a.txt', 'x = "model.layers.3.mlp.down_proj"');
    const [ours, none] = [await medianTime(document), await medianTime(plain)];
    // For the reader of the report: a time is no test.
    this.test!.title += `: ${ours} ms, of which VS Code takes ${none} ms without a provider`;
  });
});

/** Of twenty hovers, ms. */
async function medianTime(document: vscode.TextDocument): Promise<string> {
  const times: number[] = [];
  for (let i = 0; i < 20; i++) {
    const start = performance.now();
    await hoverAt(document, 'model');
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[10]!.toFixed(1);
}
