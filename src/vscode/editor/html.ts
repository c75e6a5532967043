import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';

/** The texts of the display language, as an element that no browser runs; none where that is English. */
function textsOf(bundle: typeof vscode.l10n.bundle): string {
  if (!bundle) return '';
  const texts = JSON.stringify(bundle).replaceAll('<', '\\u003c');
  return `\n    <script type="application/json" id="l10n">${texts}</script>`;
}

/**
 * The page of the editor. Scripts need the nonce; nothing is fetched. Styles need 'unsafe-inline': plotly.js and
 * webview-ui-toolkit set style rules and attributes from script.
 */
export function editorHtml(webview: vscode.Webview, extensionUri: vscode.Uri): string {
  const nonce = randomBytes(16).toString('base64');
  const uri = (name: string): string =>
    webview.asWebviewUri(vscode.Uri.joinPath(extensionUri, 'dist', name)).toString();
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src ${webview.cspSource} 'unsafe-inline'`,
    `font-src ${webview.cspSource}`,
    `img-src ${webview.cspSource} data: blob:`,
  ].join('; ');
  return `<!DOCTYPE html>
<html lang="${vscode.l10n.bundle ? vscode.env.language : 'en'}">
  <head>
    <meta charset="UTF-8">
    <meta http-equiv="Content-Security-Policy" content="${policy}">
    <meta name="viewport" content="width=device-width, initial-scale=1.0">
    <link rel="stylesheet" href="${uri('webview.css')}">
    <title>Quantscope</title>
  </head>
  <body>
    <div id="root"></div>${textsOf(vscode.l10n.bundle)}
    <script nonce="${nonce}" src="${uri('webview.js')}"></script>
  </body>
</html>`;
}
