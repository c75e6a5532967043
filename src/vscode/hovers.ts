import { dirname } from 'node:path';
import * as vscode from 'vscode';
import { modelHash } from '../model/identity';
import { dtypeNamed } from '../model/dtypes';
import { assignmentOf, rowOf, type SensitivityRow } from '../protocol/plan';
import { plural } from '../protocol/words';
import { commands } from './contributions';
import { plansIn } from './plansBeside';
import type { Services } from './services';
import type { KnownTensor, WorkspaceModels } from './workspaceModels';

/** Dotted names as tensors have them. */
const tensorName = /[\w-]+(?:\.[\w-]+)+/;

const languages: vscode.DocumentSelector = ['python', 'json', 'jsonc', 'yaml'].map((language) => ({
  language,
  scheme: 'file',
}));

/** Hovers over tensor names: what the tensor is, which format is suggested, and the errors that led to it. */
export function registerHovers(services: Services, models: WorkspaceModels): vscode.Disposable {
  return vscode.languages.registerHoverProvider(languages, {
    async provideHover(document, position) {
      const range = document.getWordRangeAtPosition(position, tensorName);
      if (!range) return undefined;
      const text = document.getText(range);
      // Code names modules ("model.layers.0.mlp.down_proj"); the tensor in it is the weight.
      const [known] = await models.find([text, `${text}.weight`], document.uri);
      return known ? new vscode.Hover(await describe(services, known), range) : undefined;
    },
  });
}

async function describe(services: Services, { model, tensor }: KnownTensor): Promise<vscode.MarkdownString> {
  const { row, suggestion } = await suggestionFor(services, { model, tensor });
  const bits =
    dtypeNamed(tensor.dtype) && tensor.elements > 0
      ? ` · ${((8 * tensor.byteLength) / tensor.elements).toFixed(2)} bits per weight`
      : '';
  const lines = [
    `**${tensor.name}**`,
    '',
    `\`${tensor.dtype}\` · [${tensor.shape.join(', ')}] · ${plural(tensor.elements, 'weight')}${bits}`,
    '',
    suggestion === undefined ? 'No suggestion yet: run the sensitivity analysis of the model.' : suggestion,
    ...(row && row.cells.length > 0 ? ['', ...errorTable(row)] : []),
    '',
    links(model.path, tensor.name),
  ];
  const markdown = new vscode.MarkdownString(lines.join('\n'));
  markdown.isTrusted = { enabledCommands: [commands.revealTensor, commands.quantizeLayer] };
  return markdown;
}

/** From the open editor's plan, else from a plan file beside the model; with what was measured for this tensor. */
async function suggestionFor({ sessions, engine, log, context }: Services, { model, tensor }: KnownTensor) {
  const session = sessions.all().find((item) => item.path === model.path);
  const hash = modelHash(model);
  const plan =
    session?.plan ??
    (await plansIn(dirname(model.path), log)).find((item) => item.plan.model.hash === hash)?.plan;
  const cacheDir = vscode.Uri.joinPath(context.globalStorageUri, 'sensitivity').fsPath;
  const table =
    session?.sensitivity ??
    (await engine.call('sensitivity/stored', { path: model.path, cacheDir }).catch(() => undefined));
  const row = table && rowOf(table, tensor.name);
  const assigned = plan && assignmentOf(plan, tensor.name);
  const suggestion =
    assigned && `Suggested: **${assigned.format}**, ${assigned.bitsPerWeight.toFixed(2)} bits per weight`;
  return { row, suggestion };
}

/** Errors of the tensor in each format; where its gain is known also what the model's output would differ by. */
function errorTable({ cells, gain }: SensitivityRow): string[] {
  const rows = cells.map(({ format, bitsPerWeight, relativeSquaredError, sqnr }) => [
    ...[format, bitsPerWeight.toFixed(2), Math.sqrt(relativeSquaredError).toPrecision(3)],
    sqnr === Infinity ? '∞' : sqnr.toFixed(1),
    ...(gain === undefined ? [] : [(gain * relativeSquaredError).toPrecision(2)]),
  ]);
  const heading = ['format', 'bits', 'relative error', 'SQNR dB'];
  if (gain !== undefined) heading.push('KL divergence');
  const rule = heading.map((_, i) => (i === 0 ? ':--' : '--:'));
  return [heading, rule, ...rows].map((line) => `| ${line.join(' | ')} |`);
}

function links(model: string, tensor: string): string {
  const link = (label: string, command: string, argument: unknown): string =>
    `[${label}](command:${command}?${encodeURIComponent(JSON.stringify([argument]))})`;
  return [
    link('Open in editor', commands.revealTensor, { model, tensor }),
    link('Quantize…', commands.quantizeLayer, { quantscopeModel: model, quantscopeTensors: [tensor] }),
  ].join(' · ');
}
