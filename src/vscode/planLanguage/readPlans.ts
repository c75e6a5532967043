import { basename } from 'node:path';
import type * as vscode from 'vscode';
import { planChanges } from '../../ampq/planChanges';
import { parsePlan } from '../../ampq/planFile';
import { readJsonFile } from '../../model/jsonFiles';
import { printable } from '../../protocol/printable';
import { messageOf } from '../host';
import { modelsAround } from '../modelsAround';
import { pathOf } from '../remote/modelUri';
import type { Services } from '../services';
import type { ComparedPlans, SidePlan } from './comparedText';

/** Reads two plan files and compares them. @throws QuantscopeError for a file that is not a plan. */
export async function readPlans(
  services: Services,
  before: vscode.Uri,
  after: vscode.Uri,
): Promise<ComparedPlans> {
  const plans = await Promise.all([readPlan(services, before), readPlan(services, after)]);
  const names = namesOf(pathOf(before), pathOf(after));
  return {
    before: { ...plans[0], name: names[0] },
    after: { ...plans[1], name: names[1] },
    changes: planChanges(plans[0].plan, plans[1].plan),
  };
}

/** A plan with the sizes that it has by its model, else with those that its file states: these are not renewed when a format is changed by hand. */
async function readPlan(services: Services, uri: vscode.Uri): Promise<Omit<SidePlan, 'name'>> {
  const file = pathOf(uri);
  const { value } = await readJsonFile(file);
  const stated = parsePlan(value, file);
  try {
    const paths = await modelsAround(services, uri);
    const params = { text: JSON.stringify(value), file, paths };
    const { model } = await services.engine.call('document/check', params);
    if (!model) return { plan: stated, isStated: true };
    const plan = await services.engine.call('plan/read', { path: model.path, planFile: file });
    return { plan, isStated: false };
  } catch (error) {
    services.log.warn(`${basename(file)} is compared as it is written: ${messageOf(error)}`);
    return { plan: stated, isStated: true };
  }
}

/** Names of two files: with as much of their folders as tells them apart. */
function namesOf(before: string, after: string): readonly [string, string] {
  const [first, second] = [before, after].map((path) => path.split(/[\\/]/));
  let length = 1;
  const named = (parts: readonly string[]): string => printable(parts.slice(-length).join('/'));
  while (named(first!) === named(second!) && length < Math.max(first!.length, second!.length)) length += 1;
  return [named(first!), named(second!)];
}
