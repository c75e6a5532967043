import { estimateMemory } from './estimateMemory';
import { explainTensor } from './explainTensor';
import { exportGguf } from './exportGguf';
import { inspectModel } from './inspectModel';
import { recommendPlan, writePlan } from './recommendPlan';
import { tensorStatistics } from './tensorStatistics';
import { runDoctor } from './runDoctor';
import type { Tool } from './tool';

/** All tools, in the order of the work. */
export const tools: readonly Tool[] = [
  ...[inspectModel, runDoctor, tensorStatistics, explainTensor, estimateMemory],
  ...[recommendPlan, writePlan, exportGguf],
];
