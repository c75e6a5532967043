import { spawn, type ChildProcess } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { cacheDir } from './cache';

/** A real VS Code: its server with an extension host, and its workbench in a Chromium. */
export interface VsCodeOptions {
  /** Folder to open. */
  readonly folder: string;
  /** The extension under development: the folder of its package.json. */
  readonly extensionPath: string;
  /** Folders of extensions that are installed. */
  readonly installed?: readonly string[];
  /** A CommonJS module that exports `run(): Promise<void>`; it runs in the extension host and `testsExit` gets its end. */
  readonly testsPath?: string;
  /** User settings on top of the quiet ones below. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Environment variables for the extension host (and the engine process under it). */
  readonly env?: Readonly<Record<string, string>>;
  readonly viewport?: { readonly width: number; readonly height: number };
  /** Display language (`zh-cn`) for extensions; VS Code's own texts need its language pack and stay English. */
  readonly language?: string;
}

export interface VsCode {
  readonly page: Page;
  readonly url: string;
  /** Exit code of the in-host tests; never settles without `testsPath`. */
  readonly testsExit: Promise<number>;
  /** What the workbench and the in-host tests wrote to their consoles so far. */
  readonly consoleLines: readonly string[];
  /** Rewrites the machine's settings, where those of machine scope are; VS Code follows at once. */
  updateMachineSettings(settings: Readonly<Record<string, unknown>>): void;
  /** The logs of the extension host, for a failure's message. */
  extensionHostLog(): string;
  close(): Promise<void>;
}

/** A running VS Code server: everything but the browser. */
export interface VsCodeServer {
  readonly url: string;
  readonly machineSettingsFile: string;
  readonly logsFolder: string;
  close(): Promise<void>;
}

const serverMain = join(
  cacheDir('vscode-server-4.139.1'),
  'node_modules/code-server/lib/vscode/out/server-main.js',
);
const node24 = join(cacheDir('node-24'), 'node_modules/.bin/node');
export const chromiumPath = process.env['QUANTSCOPE_CHROMIUM'] ?? '/usr/bin/chromium';

const quietSettings = {
  'security.workspace.trust.enabled': false,
  'chat.disableAIFeatures': true,
  'workbench.startupEditor': 'none',
  'workbench.colorTheme': 'Default Dark Modern',
  'workbench.tips.enabled': false,
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'extensions.ignoreRecommendations': true,
  'telemetry.telemetryLevel': 'off',
  'files.simpleDialog.enable': true,
  // Optimised codes take several times as long to measure.
  'quantscope.codes': 'reference',
};

/** How long a page may take for anything (ms). It ends what hangs; a busy machine needs a multiple of what an idle one does. */
export const patience = 120_000;

export const chromiumFlags = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Starts a server on a free port with data folders of its own; resolves when it listens. */
export async function startVsCodeServer(options: VsCodeOptions): Promise<VsCodeServer> {
  for (const file of [serverMain, node24]) {
    if (!existsSync(file)) throw new Error(`${file} is missing; run: node scripts/setup-tests.mjs`);
  }
  const data = mkdtempSync(join(tmpdir(), 'quantscope-vscode-'));
  writeSettings(userSettings(data), { ...quietSettings, ...options.settings });
  writeSettings(machineSettings(data), {});
  for (const [index, extension] of (options.installed ?? []).entries())
    cpSync(extension, join(data, 'extensions', `extension-${index}`), { recursive: true });
  const port = await freePort();
  const server = spawn(node24, [serverMain, ...serverArguments(port, data)], {
    env: serverEnvironment(options.env),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  try {
    await listening(server);
  } catch (error) {
    rmSync(data, { recursive: true, force: true });
    throw error;
  }
  return {
    url: workbenchUrl(port, options),
    machineSettingsFile: machineSettings(data),
    logsFolder: join(data, 'data', 'logs'),
    close: () => stop(server, data),
  };
}

const userSettings = (data: string): string => join(data, 'data', 'User', 'settings.json');
const machineSettings = (data: string): string => join(data, 'data', 'Machine', 'settings.json');

function writeSettings(file: string, settings: Readonly<Record<string, unknown>>): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(settings, null, 2));
}

/** Starts a server and opens its workbench; with `testsPath` the in-host tests begin to run at once. */
export async function startVsCode(options: VsCodeOptions): Promise<VsCode> {
  const server = await startVsCodeServer(options);
  let browser: Browser | undefined;
  try {
    browser = await chromium.launch({ executablePath: chromiumPath, args: chromiumFlags });
    const page = await browser.newPage({ viewport: options.viewport ?? { width: 1440, height: 900 } });
    page.setDefaultTimeout(patience);
    const consoleLines: string[] = [];
    if (options.language !== undefined) await page.addInitScript(speak, options.language);
    page.on('console', (message) => consoleLines.push(message.text()));
    const { testsExit } = await exposeAutomation(page, consoleLines);
    await page.goto(server.url);
    await page.locator('.monaco-workbench').waitFor();
    return { ...parts(server, browser), page, url: server.url, testsExit, consoleLines };
  } catch (error) {
    await browser?.close();
    await server.close();
    throw error;
  }
}

/** What the workbench takes for the display language, and tells extension hosts; its script of texts would set it to English. */
function speak(language: string): void {
  Object.defineProperty(globalThis, '_VSCODE_NLS_LANGUAGE', { get: () => language, set: () => undefined });
}

function parts(server: VsCodeServer, browser: Browser) {
  return {
    updateMachineSettings: (settings: Readonly<Record<string, unknown>>): void =>
      writeSettings(server.machineSettingsFile, settings),
    extensionHostLog: () => readLogs(server.logsFolder),
    async close(): Promise<void> {
      await browser.close();
      await server.close();
    },
  };
}

/** The workbench calls these two functions when it was started with `extensionTestsPath`. */
async function exposeAutomation(page: Page, lines: string[]): Promise<{ testsExit: Promise<number> }> {
  let exit: (code: number) => void = () => undefined;
  const testsExit = new Promise<number>((resolve) => (exit = resolve));
  await page.exposeFunction('codeAutomationLog', (_type: string, args: unknown[]) => {
    lines.push(args.map(String).join(' '));
  });
  await page.exposeFunction('codeAutomationExit', (code: number) => exit(code));
  return { testsExit };
}

function serverArguments(port: number, data: string): string[] {
  return [
    ...['--host', '127.0.0.1', '--port', String(port), '--without-connection-token'],
    ...['--accept-server-license-terms', '--telemetry-level', 'off', '--enable-smoke-test-driver'],
    ...['--server-data-dir', data, '--extensions-dir', join(data, 'extensions')],
  ];
}

/** Test runners export settings for their own workers, which are not for the server's processes. */
function serverEnvironment(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|vitest|VSCODE_)/i.test(name) && !['NODE_OPTIONS', 'NODE_ENV', 'TEST'].includes(name),
  );
  return { ...Object.fromEntries(inherited), ...extra };
}

/** The development extension travels in the payload, which only the smoke-test driver's workbench honours. */
function workbenchUrl(port: number, { folder, extensionPath, testsPath }: VsCodeOptions): string {
  const remote = (path: string): string => `vscode-remote://127.0.0.1:${port}${resolve(path)}`;
  const payload = [
    ['extensionDevelopmentPath', remote(extensionPath)],
    ...(testsPath === undefined ? [] : [['extensionTestsPath', remote(testsPath)]]),
    ['skipWelcome', 'true'],
    ['skipReleaseNotes', 'true'],
  ];
  const query = new URLSearchParams({ folder: resolve(folder), payload: JSON.stringify(payload) });
  return `http://127.0.0.1:${port}/?${query.toString()}`;
}

function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const probe = createServer();
    probe.on('error', fail);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => done(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

function listening(server: ChildProcess): Promise<void> {
  return new Promise((done, fail) => {
    let output = '';
    const timer = setTimeout(() => {
      signalGroup(server, 'SIGKILL');
      fail(new Error(`The VS Code server did not listen within ${patience / 1000} s.\n${output}`));
    }, patience);
    const read = (chunk: Buffer): void => {
      output += chunk.toString();
      if (!output.includes('Extension host agent listening')) return;
      clearTimeout(timer);
      done();
    };
    server.stdout?.on('data', read);
    server.stderr?.on('data', read);
    server.once('exit', (code) => {
      clearTimeout(timer);
      fail(new Error(`The VS Code server ended with ${code}.\n${output}`));
    });
  });
}

/** The server's children (extension hosts, their engines) are in its process group and go with it. */
async function stop(server: ChildProcess, data: string): Promise<void> {
  const ended = new Promise((done) => server.once('exit', done));
  if (server.exitCode === null && server.signalCode === null) {
    signalGroup(server, 'SIGTERM');
    const killer = setTimeout(() => signalGroup(server, 'SIGKILL'), 3_000);
    await ended;
    clearTimeout(killer);
  }
  signalGroup(server, 'SIGKILL');
  rmSync(data, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}

function signalGroup(server: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (server.pid !== undefined) process.kill(-server.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function readLogs(folder: string): string {
  if (!existsSync(folder)) return '';
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.log') && /exthost|Quantscope/i.test(name))
    .map((name) => `--- ${name}\n${readFileSync(join(folder, name), 'utf8')}`)
    .join('\n');
}
