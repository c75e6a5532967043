import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parsePlan } from '../ampq/planFile';
import { readTextFile } from '../model/textFile';
import type { Plan } from '../protocol/plan';
import { messageOf, type Log } from './host';

export const planEnding = '.ampq.json';

/** The name with the extension of plans, once, whatever part of it a dialog has added. */
export const planFileName = (name: string): string => name.replace(/(\.ampq)*(\.json)*$/i, '') + planEnding;

/** Bytes of a plan that the extension host reads: a hundred thousand assignments. */
const maxPlanFile = 32 * 1024 * 1024;

/** A plan and the file that it was read from. */
export interface FoundPlan {
  readonly file: string;
  readonly plan: Plan;
}

/** Readable plans of a folder; damaged ones are logged and left out. */
export async function plansIn(folder: string, log: Log): Promise<FoundPlan[]> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith(planEnding));
  const plans: FoundPlan[] = [];
  for (const name of names) {
    const file = join(folder, name);
    try {
      plans.push({ file, plan: parsePlan(await readTextFile(file, maxPlanFile), file) });
    } catch (error) {
      log.warn(messageOf(error));
    }
  }
  return plans;
}
