import * as l10n from '@vscode/l10n';
import type { RunningJob } from '../engine/client';
import type { EngineProgress } from '../protocol/engine';
import type { DeviceReport } from '../protocol/device';
import type { JobState } from '../protocol/editorState';
import { markdownText } from '../protocol/markdown';
import { inLanguage } from '../protocol/said';
import { timeLeft } from '../protocol/words';
import { labelText } from './labelText';

/** What an item of the status bar shows. */
export interface Status {
  readonly text: string;
  /** Markdown. */
  readonly tooltip: string;
}

/** The device in use, and why not a faster one. @param job of the most recently used editor. */
export function deviceStatus(device: DeviceReport | undefined, job: JobState | undefined): Status {
  const tooltip = deviceTooltip(device);
  if (job?.kind === 'engine-died') return { text: l10n.t('$(error) Quantscope engine ended'), tooltip };
  return { text: `$(circuit-board) ${inLanguage(device?.label ?? 'Quantscope')}`, tooltip };
}

/**
 * The jobs that run; undefined where none does.
 * @param cancelLink address of the link that cancels a job.
 */
export function jobsStatus(
  jobs: readonly RunningJob[],
  cancelLink: (id: number) => string,
): Status | undefined {
  const [first, ...others] = jobs;
  if (!first) return undefined;
  const more = others.length === 0 ? '' : ` +${others.length}`;
  const lines = jobs.map((job) => {
    const cancel = job.cancelling ? '' : ` [${l10n.t('Cancel')}](${cancelLink(job.id)})`;
    return `- ${markdownText(jobText(job))}${cancel}`;
  });
  return {
    text: `$(sync~spin) ${labelText(jobText(first))}${more}`,
    tooltip: [...lines, '', l10n.t('Click to show the jobs.')].join('\n'),
  };
}

/** "Sensitivity 12/264, 3 s left" */
export function jobText(job: RunningJob): string {
  const { title, cancelling } = job;
  if (cancelling) return l10n.t('{0}: cancelling…', title);
  const progress = progressText(job);
  return progress === '' ? title : `${title} ${progress}`;
}

/** "4 % Sensitivity over eval.txt": for a row that is cut at its end. */
export function jobHead({ title, progress, cancelling }: RunningJob): string {
  if (cancelling) return l10n.t('{0}: cancelling…', title);
  const isKnown = progress !== undefined && progress.total > 0;
  return isKnown ? `${Math.floor((100 * progress.done) / progress.total)} % ${title}` : title;
}

/** "12/264, 3 s left"; empty where nothing is known yet. */
export function progressText({ progress }: RunningJob): string {
  if (!progress || !(progress.total > 0)) return '';
  return `${stepsText(progress)}${timeLeft(progress.secondsLeft)}`;
}

function stepsText({ done, total, unit }: EngineProgress): string {
  return unit === 'bytes' ? `${Math.floor((100 * done) / total)} %` : `${done}/${total}`;
}

function deviceTooltip(device: DeviceReport | undefined): string {
  if (!device) return l10n.t('Quantscope detects the device when a model is opened.\n\nClick to choose.');
  const refused = device.refused.map((item) =>
    l10n.t('- **{0}** rejected: {1}', item.device, markdownText(inLanguage(item.reason))),
  );
  return [
    l10n.t('Quantscope computes on **{0}**.', markdownText(inLanguage(device.label))),
    '',
    ...refused,
    '',
    l10n.t('Click to choose.'),
  ].join('\n');
}
