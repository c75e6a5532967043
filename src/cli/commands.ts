import type { Command } from './command';
import { certify } from './certify';
import { chatCommand } from './chat';
import { compareCommand } from './compare';
import { convertCommand } from './convert';
import { doctorCommand } from './doctor';
import { estimateCommand } from './estimate';
import { evalCommand } from './eval';
import { exportCommand } from './export';
import { exportOnnxCommand } from './exportOnnx';
import { exportLoraCommand } from './exportLora';
import { exportMmprojCommand } from './exportMmproj';
import { exportOverridesCommand } from './exportOverrides';
import { formatsCommand } from './formats';
import { gainsCommand } from './gains';
import { gpuRuntimeCommand } from './gpuRuntime';
import { imatrixCommand } from './imatrix';
import { inspect } from './inspect';
import { lensCommand } from './lens';
import { mcpCommand } from './mcp';
import { previewCommand } from './preview';
import { quantize } from './quantize';
import { quantizeModelCommand } from './quantizeModel';
import { recipesCommand } from './recipes';
import { recommend } from './recommend';
import { refineCommand } from './refine';
import { reportCommand } from './report';
import { scaffoldModelCommand } from './scaffoldModel';
import { scanCommand } from './scan';
import { sensitivity } from './sensitivity';
import { stats } from './stats';
import { verifyCommand } from './verify';

/** The subcommands by what they are for, in the order of the help. */
export const commandGroups: readonly { readonly title: string; readonly commands: readonly Command[] }[] = [
  {
    title: 'Look at models',
    commands: [inspect, estimateCommand, reportCommand, stats, scanCommand, compareCommand],
  },
  { title: 'Find faults', commands: [doctorCommand, verifyCommand] },
  {
    title: 'Quantize tensors and checkpoints',
    commands: [lensCommand, quantize, quantizeModelCommand, recipesCommand, previewCommand, formatsCommand],
  },
  { title: 'Plan the format of each tensor', commands: [sensitivity, gainsCommand, recommend, certify] },
  {
    title: 'Export',
    commands: [
      ...[exportCommand, refineCommand, exportOnnxCommand, exportOverridesCommand, exportLoraCommand],
      ...[exportMmprojCommand, convertCommand],
    ],
  },
  { title: 'Run models', commands: [evalCommand, chatCommand, imatrixCommand] },
  { title: 'More', commands: [scaffoldModelCommand, gpuRuntimeCommand, mcpCommand] },
];

export const commands: readonly Command[] = commandGroups.flatMap((group) => group.commands);
