import * as vscode from 'vscode';
import type { NameMatch } from '../../protocol/names';
import { commands } from '../contributions';

/** Commands that a hover may run. */
const enabledCommands: readonly string[] = [
  ...[commands.revealTensor, commands.quantizeLayer, commands.openModel],
  ...[commands.runSensitivity, commands.runSensitivityOverText],
];

/** The only part of a hover that may contain commands; text from files is encoded in their arguments. */
export function hoverLinks({ model, tensor }: NameMatch, isEstimate: boolean): vscode.MarkdownString {
  const whole = { model: model.path };
  const links = [
    ...(tensor
      ? [
          link(vscode.l10n.t('Open in Editor'), commands.revealTensor, { ...whole, tensor: tensor.name }),
          link(vscode.l10n.t('Quantize…'), commands.quantizeLayer, {
            quantscopeModel: model.path,
            quantscopeTensors: [tensor.name],
          }),
        ]
      : [link(vscode.l10n.t('Open Model'), commands.openModel, whole)]),
    ...(isEstimate ? [link(vscode.l10n.t('Measure Errors'), commands.runSensitivity, whole)] : []),
    link(vscode.l10n.t('Measure over a Text…'), commands.runSensitivityOverText, whole),
  ];
  const markdown = new vscode.MarkdownString(links.join(' · '));
  markdown.isTrusted = { enabledCommands };
  return markdown;
}

const link = (label: string, command: string, argument: unknown): string =>
  `[${label}](command:${command}?${encodeURIComponent(JSON.stringify([argument])).replace(/[()']/g, escapeForLink)})`;

/** Characters that end a Markdown link and that encodeURIComponent does not encode. */
const escapeForLink = (character: string): string => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
