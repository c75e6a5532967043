import { ok, strictEqual } from 'node:assert/strict';
import * as vscode from 'vscode';
import type { ChatResult } from '../../src/protocol/chat';

const folder = vscode.workspace.workspaceFolders![0]!.uri.fsPath;

describe('Chat with Variant…', () => {
  it('answers at once where another extension says what to ask', async () => {
    const result = await vscode.commands.executeCommand<ChatResult>('quantscope.chatWithVariant', {
      model: folder,
      settings: {
        ...{ variant: { type: 'Q2_K' }, tokens: 4, device: 'cpu' },
        messages: [{ role: 'user', content: 'ROMEO:' }],
      },
    });
    strictEqual(result.label, 'Q2_K');
    strictEqual(result.original.tokens.length, 4);
    ok(result.original.tokens.some(({ divergence }) => divergence > 0));
    strictEqual(result.hasTemplate, false);
  });
});
