import type * as vscode from 'vscode';
import type { QuantscopeExports } from '../api/quantscope';
import type { EngineClient } from './engine/client';
import './vscode/language';
import { apiOf } from './vscode/api/api';
import { registerAdapters } from './vscode/commands/adapters';
import { registerBeatFile } from './vscode/commands/beatFile';
import { registerCompareWith } from './vscode/commands/compareWith';
import { registerEngineCommands } from './vscode/commands/engine';
import { registerChat } from './vscode/commands/chat';
import { registerEvaluate } from './vscode/commands/evaluate';
import { registerConvert } from './vscode/commands/convert';
import { registerExports } from './vscode/commands/exportGguf';
import { registerExportMmproj } from './vscode/commands/exportMmproj';
import { registerExportOnnx } from './vscode/commands/exportOnnx';
import { registerGpuRuntime } from './vscode/commands/gpuRuntime';
import { registerOpenRemote } from './vscode/commands/openRemote';
import { registerPlanFormats } from './vscode/commands/planFormats';
import { registerSavePlan } from './vscode/commands/plans';
import { registerQuantizeLayer } from './vscode/commands/quantizeLayer';
import { registerQuantizeModel } from './vscode/commands/quantizeModel';
import { registerRecommend } from './vscode/commands/recommend';
import { registerRefine } from './vscode/commands/refine';
import { registerReport } from './vscode/commands/report';
import { registerVerify } from './vscode/commands/verify';
import { registerVerifySource } from './vscode/commands/verifySource';
import { registerCodeLens } from './vscode/codeLens/provider';
import { ModelEditorProvider } from './vscode/editor/modelEditor';
import { registerHovers } from './vscode/hovers/provider';
import { registerDoctor } from './vscode/doctor/registerDoctor';
import { registerLanguageModelTools } from './vscode/languageModelTools/register';
import { registerPlanLanguage } from './vscode/planLanguage/registerPlanLanguage';
import type { ModelSession } from './vscode/modelSession';
import { registerRemoteFileSystem } from './vscode/remote/remoteFileSystem';
import { createServices } from './vscode/services';
import { registerTasks } from './vscode/tasks/registerTasks';
import { registerViews } from './vscode/views/registerViews';
import { StatusBar } from './vscode/statusBar';

/** What other extensions may use, and besides that what tests look at. */
export interface ExtensionApi extends QuantscopeExports {
  /** The session of an open model, by path. */
  session(path: string): ModelSession;
  /** The engine's processes that run now. */
  engineProcesses(): EngineClient['processes'];
}

/** Builds the parts and hands them to each other. */
export function activate(context: vscode.ExtensionContext): ExtensionApi {
  const start = performance.now();
  const services = createServices(context);
  context.subscriptions.push(
    new StatusBar(services.engine, services.devices, services.sessions, services.log),
    registerRemoteFileSystem(),
    ModelEditorProvider.register(services),
    registerEngineCommands(services),
    registerOpenRemote(services),
    registerExports(services),
    registerExportOnnx(services),
    registerConvert(services),
    registerAdapters(services),
    registerExportMmproj(services),
    registerVerify(services),
    registerVerifySource(services),
    registerDoctor(services),
    registerRecommend(services),
    registerSavePlan(services),
    registerPlanFormats(services),
    registerQuantizeLayer(services),
    registerQuantizeModel(services),
    registerRefine(services),
    registerBeatFile(services),
    registerCompareWith(services),
    registerReport(services),
    registerGpuRuntime(services),
    registerEvaluate(services),
    registerChat(services),
    registerHovers(services),
    registerCodeLens(services),
    registerPlanLanguage(services),
    registerLanguageModelTools(services),
    registerViews(services),
    registerTasks(services),
  );
  // The explorer's menus need to know the folders of models.
  services.start(services.workspaceModels.list());
  performance.measure('quantscope.activate', { start });
  return {
    getApi: (version) => apiOf(version, services),
    session: (path) => services.sessions.get(path),
    engineProcesses: () => services.engine.processes,
  };
}
