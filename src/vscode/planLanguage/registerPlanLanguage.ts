import * as vscode from 'vscode';
import type { Services } from '../services';
import { registerComparePlans } from './comparePlans';
import { Completions } from './completions';
import { showFaults } from './diagnostics';
import { DocumentChecks, plansAndRecipes } from './documentChecks';
import { Hints } from './hints';
import { registerDryRun } from './dryRun';
import { PlanLenses } from './lenses';
import { registerOpenPlan } from './openPlan';
import { QuickFixes } from './quickFixes';

/** What editors of plans and recipes show and offer. */
export function registerPlanLanguage(services: Services): vscode.Disposable {
  const checks = new DocumentChecks(services);
  const hints = new Hints(checks);
  const { languages } = vscode;
  const registered = vscode.Disposable.from(
    ...[checks, hints, showFaults(checks)],
    languages.registerCodeActionsProvider(plansAndRecipes, new QuickFixes(checks), QuickFixes.metadata),
    languages.registerInlayHintsProvider(plansAndRecipes, hints),
    languages.registerCompletionItemProvider(
      plansAndRecipes,
      new Completions(checks, services.engine),
      ...Completions.triggers,
    ),
    languages.registerCodeLensProvider(plansAndRecipes, new PlanLenses()),
    registerOpenPlan(services, checks),
    registerComparePlans(services),
    registerDryRun(services, checks),
  );
  checks.start();
  return registered;
}
