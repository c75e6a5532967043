import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as vscode from 'vscode';
import type { DoctorResult } from '../../src/protocol/doctor';
import { commands } from '../../src/vscode/contributions';
import { eventually } from './eventually';

const extension = vscode.extensions.getExtension('quantscope.quantscope')!;
const workspace = vscode.workspace.workspaceFolders![0]!.uri.fsPath;
const weights = 'model.safetensors';
const shards = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
const index = 'model.safetensors.index.json';
const settings = 'generation_config.json';

const codesAt = (file: string): string[] =>
  vscode.languages
    .getDiagnostics(vscode.Uri.file(file))
    .flatMap(({ source, code }) =>
      source === 'Quantscope' && typeof code === 'object' ? [String(code.value)] : [],
    )
    .sort();

/** Waits until the files have these findings together and no others. */
async function eventuallyAt(files: readonly string[], codes: readonly string[]): Promise<void> {
  const now = (): string => files.flatMap(codesAt).join();
  const wanted = `${files.join()} has [${codes.join()}]`;
  await eventually(wanted, () => now() === codes.join());
}

/** A copy of the sample in a folder of its own. */
function copyOfSample(name: string): string {
  const folder = join(workspace, name);
  mkdirSync(folder);
  for (const file of [weights, 'config.json', 'tokenizer.json', 'tokenizer_config.json', settings])
    cpSync(join(workspace, file), join(folder, file));
  return folder;
}

type Header = Record<string, { readonly data_offsets: readonly [number, number] }>;

/** Cuts the file of weights in two, with an index in which one tensor has another name. */
function splitWeights(folder: string): void {
  const bytes = readFileSync(join(folder, weights));
  const begin = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, begin).toString()) as Header;
  const tensors = Object.entries(header).filter(([name]) => name !== '__metadata__');
  tensors.sort(([, a], [, b]) => a.data_offsets[0] - b.data_offsets[0]);
  const map: Record<string, string> = {};
  for (const [i, own] of [tensors.slice(0, 20), tensors.slice(20)].entries()) {
    const [from, to] = [own[0]![1].data_offsets[0], own.at(-1)![1].data_offsets[1]];
    const moved = own.map(
      ([
        name,
        {
          data_offsets: [start, end],
          ...rest
        },
      ]) => {
        map[name === 'lm_head.weight' ? 'head.weight' : name] = shards[i]!;
        return [name, { ...rest, data_offsets: [start - from, end - from] }];
      },
    );
    const text = JSON.stringify(Object.fromEntries(moved));
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(text.length));
    const data = bytes.subarray(begin + from, begin + to);
    writeFileSync(join(folder, shards[i]!), Buffer.concat([size, Buffer.from(text), data]));
  }
  rmSync(join(folder, weights));
  writeFileSync(join(folder, index), JSON.stringify({ metadata: {}, weight_map: map }, undefined, 2));
}

function setEnd(folder: string, id: number): void {
  const file = join(folder, settings);
  writeFileSync(file, readFileSync(file, 'utf8').replace(/("eos_token_id": )\d+/, `$1${id}`));
}

const actionsAt = (file: string, range: vscode.Range) =>
  vscode.commands.executeCommand<vscode.CodeAction[]>(
    'vscode.executeCodeActionProvider',
    vscode.Uri.file(file),
    range,
  );

describe('the checkpoint doctor', () => {
  let folder: string;
  const inFolder = (name: string): string => join(folder, name);
  before(async () => {
    await extension.activate();
    folder = copyOfSample('doctor');
    splitWeights(folder);
  });
  after(async () => {
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
    for (const name of ['doctor', 'doctor-cut'])
      rmSync(join(workspace, name), { recursive: true, force: true });
  });

  it('shows what it finds at its place in the files, with a link to the explanation', async () => {
    const right = Number(/"eos_token_id": (\d+)/.exec(readFileSync(join(folder, settings), 'utf8'))![1]);
    setEnd(folder, 5);
    const uri = vscode.Uri.file(join(folder, index));
    const result = await vscode.commands.executeCommand<DoctorResult>(commands.runDoctor, uri);
    ok(result.checkedBytes > 1_000_000);
    deepStrictEqual(codesAt(join(folder, settings)), ['special-tokens/disagree']);
    deepStrictEqual(codesAt(uri.fsPath), ['index/missing-tensor', 'index/unlisted-tensor']);
    const [missing] = vscode.languages.getDiagnostics(uri);
    const document = await vscode.workspace.openTextDocument(uri);
    strictEqual(
      document.getText(missing!.range),
      `"head.weight": "${shards.find((shard) => document.getText(missing!.range).includes(shard))}"`,
    );
    strictEqual(missing!.severity, vscode.DiagnosticSeverity.Error);
    const { target } = missing!.code as { target: vscode.Uri };
    deepStrictEqual([target.scheme, target.path], ['command', commands.explainFinding]);
    deepStrictEqual(JSON.parse(target.query), ['index/missing-tensor']);

    setEnd(folder, right);
    await eventuallyAt([inFolder(settings)], []);
  });

  it('applies a fix, after which its findings are gone', async () => {
    const file = join(folder, index);
    const [missing] = vscode.languages.getDiagnostics(vscode.Uri.file(file));
    const [action] = await actionsAt(file, missing!.range);
    strictEqual(action!.title, 'Fix: The index is written again from what the shards hold.');
    const { command, arguments: given = [] } = action!.command!;
    await vscode.commands.executeCommand(command, ...(given as unknown[]));
    await eventuallyAt([file], []);
    const { weight_map: map } = JSON.parse(readFileSync(file, 'utf8')) as { weight_map: object };
    deepStrictEqual(['lm_head.weight' in map, 'head.weight' in map], [true, false]);
  });

  it('follows config.json as it is edited', async () => {
    const file = join(folder, 'config.json');
    const right = readFileSync(file, 'utf8');
    writeFileSync(file, right.replace(/("intermediate_size": )\d+/, '$1700'));
    const wrong = Array(18).fill('tensor/wrong-shape');
    await eventuallyAt(shards.map(inFolder), wrong);
    writeFileSync(file, '{');
    await eventuallyAt([file], ['config/unreadable']);
    writeFileSync(file, right);
    await eventuallyAt([file, ...shards.map(inFolder)], []);
  });

  it('looks at the headers of a model that opens, until its editor is closed', async () => {
    const cut = join(copyOfSample('doctor-cut'), weights);
    truncateSync(cut, 5_000_000);
    await vscode.commands.executeCommand('vscode.open', vscode.Uri.file(cut));
    await eventuallyAt([cut], ['file/truncated']);
    truncateSync(cut, 700);
    await eventuallyAt([cut], ['file/header-cut']);
    await vscode.commands.executeCommand('workbench.action.closeActiveEditor');
    await eventuallyAt([cut], []);
  });

  it('explains a finding', async () => {
    await vscode.commands.executeCommand(commands.explainFinding, 'index/missing-shard');
    const isShown = (): boolean =>
      vscode.window.tabGroups.all.some(({ tabs }) => tabs.some(({ label }) => label.includes('DOCTOR.md')));
    for (let tries = 0; tries < 200 && !isShown(); tries++)
      await new Promise((resolve) => setTimeout(resolve, 25));
    ok(isShown());
  });
});
