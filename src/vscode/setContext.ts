import * as vscode from 'vscode';
import type { contextKeys } from './contributions';

/** Sets what conditions of menus and of the palette ask for. */
export const setContext = async (
  key: (typeof contextKeys)[keyof typeof contextKeys],
  value: unknown,
): Promise<void> => {
  await vscode.commands.executeCommand('setContext', key, value);
};
