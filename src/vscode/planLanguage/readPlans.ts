import { basename } from 'node:path';
import * as vscode from 'vscode';
import { planChanges } from '../../ampq/planChanges';
import { parsePlan } from '../../ampq/planFile';
import { isRecord, parseJson } from '../../model/json';
import { parseJsonBytes, readBytesOfJson } from '../../model/jsonFiles';
import { printable } from '../../protocol/printable';
import { messageOf } from '../host';
import { modelsAround } from '../modelsAround';
import { pathOf } from '../remote/modelUri';
import { remoteScheme } from '../remote/remoteParts';
import type { Services } from '../services';
import type { ComparedPlans, SidePlan } from './comparedText';

/** Reads two plans, files or earlier versions of files, and compares them. @throws QuantscopeError for one that is not a plan. */
export async function readPlans(
  services: Services,
  before: vscode.Uri,
  after: vscode.Uri,
): Promise<ComparedPlans> {
  const plans = await Promise.all([readPlan(services, before), readPlan(services, after)]);
  const names = namesOf(before, after);
  return {
    before: { ...plans[0], name: names[0] },
    after: { ...plans[1], name: names[1] },
    changes: planChanges(plans[0].plan, plans[1].plan),
  };
}

const isFile = ({ scheme }: vscode.Uri): boolean => scheme === 'file' || scheme === remoteScheme;

/** A plan with the sizes that it has by its model, else with those that its file states: these are not renewed when a format is changed by hand. */
async function readPlan(services: Services, uri: vscode.Uri): Promise<Omit<SidePlan, 'name'>> {
  const file = pathOf(uri);
  const bytes = isFile(uri) ? (await readBytesOfJson(file)).bytes : await shownBytes(uri);
  const stated = parsePlan(parseJsonBytes(bytes, file), file);
  const text = Buffer.from(bytes).toString();
  try {
    const paths = await modelsAround(services, uri);
    const { model } = await services.engine.call('document/check', { text, file, paths });
    if (!model) return { plan: stated, isStated: true };
    const params = { path: model.path, planFile: file, planText: text };
    return { plan: await services.engine.call('plan/read', params), isStated: false };
  } catch (error) {
    services.log.warn(`${basename(file)} is compared as it is written: ${messageOf(error)}`);
    return { plan: stated, isStated: true };
  }
}

/** What another extension shows at an address, such as the version of a commit. */
const shownBytes = async (uri: vscode.Uri): Promise<Uint8Array> =>
  Buffer.from((await vscode.workspace.openTextDocument(uri)).getText());

/** Names of two plans: with as much of their folders as tells them apart, and the version where it is not that of the file. */
function namesOf(before: vscode.Uri, after: vscode.Uri): readonly [string, string] {
  const [first, second] = [before, after].map((uri) => pathOf(uri).split(/[\\/]/));
  const longest = Math.max(first!.length, second!.length);
  const named = (parts: readonly string[], length: number): string => parts.slice(-length).join('/');
  let length = 1;
  while (named(first!, length) === named(second!, length) && length < longest) length += 1;
  if (named(first!, length) === named(second!, length)) length = 1; // versions of one file
  return [
    printable(named(first!, length) + versionOf(before)),
    printable(named(second!, length) + versionOf(after)),
  ];
}

/** " (HEAD)": the version that git's addresses name; else by whom the text is shown; empty for files. */
function versionOf(uri: vscode.Uri): string {
  if (isFile(uri)) return '';
  return ` (${gitRefOf(uri) ?? uri.scheme})`;
}

function gitRefOf({ query }: vscode.Uri): string | undefined {
  try {
    const value = parseJson(query);
    const ref = isRecord(value) ? value['ref'] : undefined;
    return typeof ref === 'string' && /^[\w./-]+$/.test(ref) ? ref : undefined;
  } catch {
    return undefined; // other providers have other queries
  }
}
