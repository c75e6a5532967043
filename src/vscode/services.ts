import * as vscode from 'vscode';
import { EngineClient } from '../engine/client';
import { isRemote } from '../model/remote/address';
import type { ModelRef } from '../protocol/model';
import type { DeviceChoice } from '../protocol/device';
import { inLanguage } from '../protocol/said';
import { contextKeys, settings } from './contributions';
import { setContext } from './setContext';
import { Devices } from './devices';
import { Examinations } from './doctor/examinations';
import { Problems } from './doctor/problems';
import { Editors } from './editor/editors';
import { watchFiles } from './editor/watchFiles';
import { Evaluations } from './evaluationSession';
import { Refinements } from './refinementSession';
import { Quantizations } from './quantizationSession';
import { inBackground, type Notices } from './host';
import { measuringSettings } from './measuringSettings';
import { folderOf } from './paths';
import type { MeasuringSettings } from './sensitivityJob';
import type { SessionContext } from './sessionContext';
import { outputFolder, uriOf } from './remote/modelUri';
import { RemoteAccessStore, secretKey } from './remote/remoteAccess';
import { Sessions } from './sessions';
import { WorkspaceModels } from './workspaceModels';
import { noticeText } from './noticeText';

/** Services shared by the parts of the extension; built once in activate(). */
export interface Services {
  readonly context: vscode.ExtensionContext;
  readonly log: vscode.LogOutputChannel;
  readonly notices: Notices;
  readonly engine: EngineClient;
  readonly devices: Devices;
  readonly workspaceModels: WorkspaceModels;
  readonly sessions: Sessions;
  readonly editors: Editors;
  /** What the doctor has found, and where that is shown. */
  readonly examinations: Examinations;
  readonly problems: Problems;
  /** Tokens and signatures for models on servers. */
  readonly remoteAccess: RemoteAccessStore;
  readonly evaluations: Evaluations;
  readonly quantizations: Quantizations;
  readonly refinements: Refinements;
  /** Where calibrations keep what they measured. */
  readonly evidenceDir: string;
  /** Where measured cells are kept. */
  readonly sensitivityDir: string;
  /** Where the GPU runtime is installed. */
  readonly gpuRuntimeDir: string;
  /** How sensitivity of a model in a folder is measured. */
  readonly measuringOf: SessionContext['measuringOf'];
  /** Runs work in the background; a failure is logged and shown. */
  readonly start: (work: Promise<unknown>) => void;
}

export function createServices(context: vscode.ExtensionContext): Services {
  const log = vscode.window.createOutputChannel('Quantscope', { log: true });
  const engine = new EngineClient({
    entry: vscode.Uri.joinPath(context.extensionUri, 'dist', 'engine.mjs').fsPath,
    get env() {
      return { ...engineEnvironment(context), ...remoteAccess.environment(proxySetting()) };
    },
    log: ({ level, text }) => log[level](`engine: ${text}`),
    onExit: (reason) => log.error(`An engine process ended: ${reason}`),
  });
  const remoteAccess = new RemoteAccessStore(
    context.secrets,
    () => {
      engine.renew();
      start(tellAccess());
    },
    (error) => log.warn(`Tokens are good for this window only: ${String(error)}`),
  );
  const tellAccess = (): Promise<void> => setContext(contextKeys.remoteAccessAbsent, remoteAccess.isEmpty);
  const folder = (name: string): string => vscode.Uri.joinPath(context.globalStorageUri, name).fsPath;
  const notices = showNotices(log);
  const devices = new Devices(engine, log, notices, chosenDevice);
  const evidenceDir = folder('evaluation');
  const sensitivityDir = folder('sensitivity');
  const measuringOf = (path: string, of: string): MeasuringSettings =>
    measuringSettings(configurationOf(path), outputFolder(of));
  const sessions = new Sessions({
    ...{ engine, devices, log, notices, evidenceDir },
    ...{ sensitivityDir, planDir: folder('plans'), measuringOf },
    verifiesOnOpening: (path) => configurationOf(path).get<boolean>(settings.verifyOnOpening, true),
  });
  const problems = new Problems();
  const examinations = new Examinations(engine, log, {
    shown: (model, findings) => problems.show(model, findings),
    watch: watchModel,
  });
  const evaluations = new Evaluations(engine, log, evidenceDir);
  const quantizations = new Quantizations(engine, log, evidenceDir);
  const refinements = new Refinements(engine, log, evidenceDir);
  const start = (work: Promise<unknown>): void => inBackground(work, log, notices);
  start(remoteAccess.ready.then(tellAccess));
  const workspaceModels = new WorkspaceModels(engine);
  context.subscriptions.push(
    context.secrets.onDidChange(({ key }) => key === secretKey && start(remoteAccess.read())),
    followSettings({ engine, devices, sessions, start }),
    log,
    workspaceModels,
    sessions,
    problems,
    examinations,
    evaluations,
    quantizations,
    refinements,
    devices,
    engine,
  );
  return {
    ...{ context, log, notices, engine, devices, workspaceModels, sessions, start },
    ...{ evaluations, quantizations, refinements, evidenceDir, sensitivityDir, measuringOf, remoteAccess },
    ...{ problems, examinations, gpuRuntimeDir: gpuRuntimeDir(context) },
    editors: new Editors(),
  };
}

/** What settings change in what runs already. */
function followSettings({
  engine,
  devices,
  sessions,
  start,
}: Pick<Services, 'engine' | 'devices' | 'sessions' | 'start'>): vscode.Disposable {
  return vscode.workspace.onDidChangeConfiguration((change) => {
    const affects = (name: string): boolean => change.affectsConfiguration(`${settings.section}.${name}`);
    if (affects(settings.threads) || change.affectsConfiguration('http.proxy')) engine.renew();
    if (affects(settings.device)) start(devices.refresh());
    if (affects(settings.importanceMatrix) || affects(settings.backend))
      for (const session of sessions.all()) start(session.measuringChanged());
  });
}

function showNotices(log: vscode.LogOutputChannel): Notices {
  const logFailure = (error: unknown): void => log.error(String(error));
  return {
    info: (message) => {
      vscode.window.showInformationMessage(noticeText(inLanguage(message))).then(undefined, logFailure);
    },
    warn: (message) => {
      vscode.window.showWarningMessage(noticeText(inLanguage(message))).then(undefined, logFailure);
    },
    error: async (message, ...actions) =>
      vscode.window.showErrorMessage(noticeText(inLanguage(message)), ...actions),
  };
}

export function chosenDevice(): DeviceChoice {
  return vscode.workspace.getConfiguration(settings.section).get<DeviceChoice>(settings.device, 'auto');
}

/** As the folder of the workspace that holds the model has them. */
const configurationOf = (path: string): vscode.WorkspaceConfiguration =>
  vscode.workspace.getConfiguration(settings.section, uriOf(path));

/** Tells of all files next to a model; a server tells of no change. */
function watchModel({ path }: ModelRef, changed: (file: string) => void): vscode.Disposable {
  if (isRemote(path)) return new vscode.Disposable(() => undefined);
  return watchFiles(vscode.Uri.file(folderOf(path)), { written: changed, removed: changed });
}

/** Whether files of a model are examined when it opens: not those on a server, which the user pays for in time. */
export const examinesOnOpening = (path: string): boolean =>
  !isRemote(path) && configurationOf(path).get<boolean>(settings.examineOnOpening, true);

/** The proxy of the settings, which takes precedence over the environment's. */
const proxySetting = (): string => vscode.workspace.getConfiguration('http').get<string>('proxy', '');

const gpuRuntimeDir = ({ globalStorageUri }: vscode.ExtensionContext): string =>
  vscode.Uri.joinPath(globalStorageUri, 'gpu-runtime').fsPath;

/** Settings that engine processes read when they start. */
function engineEnvironment(context: vscode.ExtensionContext): Record<string, string> {
  const configuration = vscode.workspace.getConfiguration(settings.section);
  const threads = configuration.get<number>(settings.threads, 0);
  return {
    QUANTSCOPE_GPU_RUNTIME: gpuRuntimeDir(context),
    QUANTSCOPE_ALLOW_SOFTWARE_GPU: configuration.get<boolean>(settings.allowSoftwareGpu, false) ? '1' : '',
    ...(threads > 0 ? { QUANTSCOPE_THREADS: String(threads) } : {}),
  };
}
