import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium, type Page } from 'playwright-core';
import { Rpc, type Handlers } from '../../src/protocol/rpc';
import type { HostEvents, WebviewRequests } from '../../src/protocol/webview';
import { temporaryFolder, writeFile } from './files';
import { chromiumFlags, chromiumPath, patience } from './vscodeServer';

/** The page of the editor in a browser without VS Code, with a host that a test plays. */
export interface BrowserPage {
  readonly page: Page;
  readonly host: Rpc<WebviewRequests, Record<never, never>, Record<never, never>, HostEvents>;
  close(): Promise<void>;
}

/** Colours that the page has from VS Code. */
const theme = {
  ...{ 'editor-background': '#1f1f1f', foreground: '#cccccc', descriptionForeground: '#9d9d9d' },
  ...{
    'panel-border': '#2b2b2b',
    'list-hoverBackground': '#2a2d2e',
    'list-activeSelectionBackground': '#04395e',
  },
  ...{ 'font-family': 'system-ui, sans-serif', 'font-size': '13px', focusBorder: '#0078d4' },
};

/** @param answers of the host to what the page asks: nothing is forbidden unless they say it, and whatever else it asks is never answered. */
export async function openPage(answers: Partial<Handlers<WebviewRequests>>): Promise<BrowserPage> {
  const browser = await chromium.launch({ executablePath: chromiumPath, args: chromiumFlags });
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  page.setDefaultTimeout(patience);
  let receive: (message: unknown) => void = () => undefined;
  await page.exposeFunction('postToHost', (message: unknown) => receive(message));
  const post = (message: unknown): void => {
    const text = JSON.stringify(message);
    void page.evaluate((json) => window.postMessage(JSON.parse(json)), text).catch(() => undefined); // a closed page
  };
  const unanswered = new Promise<never>(() => undefined);
  const handlers = new Proxy<typeof answers>(
    { limits: () => ({}), ...answers },
    {
      get: (target, name) => (Reflect.get(target, name) as unknown) ?? (() => unanswered),
      has: () => true,
      getOwnPropertyDescriptor: () => ({ configurable: true, enumerable: true }),
    },
  );
  const host = new Rpc(
    {
      post,
      onMessage: (listener) => {
        receive = listener;
        return { dispose: () => undefined };
      },
    },
    handlers as Handlers<WebviewRequests>,
  );
  await page.goto(pathToFileURL(writeFile(temporaryFolder(), 'page.html', html())).href);
  return {
    ...{ page, host },
    close: async () => {
      host.dispose();
      await browser.close();
    },
  };
}

function html(): string {
  const dist = (name: string): string => pathToFileURL(join(process.cwd(), 'dist', name)).href;
  const colours = Object.entries(theme).map(([name, value]) => `--vscode-${name}: ${value};`);
  return `<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="UTF-8">
    <style>:root { ${colours.join(' ')} } body { background: #1f1f1f; color: #ccc; padding: 0 20px }</style>
    <link rel="stylesheet" href="${dist('webview.css')}">
  </head>
  <body class="vscode-dark">
    <div id="root"></div>
    <script>
      let state;
      window.acquireVsCodeApi = () => ({
        postMessage: (message) => window.postToHost(message),
        getState: () => state,
        setState: (next) => { state = next; },
      });
    </script>
    <script src="${dist('webview.js')}"></script>
  </body>
</html>`;
}
