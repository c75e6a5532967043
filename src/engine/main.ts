import { constants, getPriority, setPriority } from 'node:os';
import { removeAbandoned } from '../files/partials';
import { runProbe } from '../graph/probe';
import { QuantscopeError, serializeError } from '../model/errors';
import { loadNative } from '../native';
import type {
  EngineAnswer,
  EngineInbound,
  EngineMethod,
  EngineOutbound,
  EngineProgress,
} from '../protocol/engine';
import { said, spokenIn } from '../protocol/said';
import type { Job } from './job';
import { createJobs } from './jobs';
import { requestLog } from './requestLog';
import { OpenModels } from './models';

/** Progress messages of one request are at least this far apart (milliseconds). */
const progressInterval = 100;

/** How long requests may take to clean up once the owner is gone (ms). */
const leaveTime = 2_000;

/** The engine process: answers requests over IPC until its owner goes away. */
function serve(): void {
  if (process.argv.includes('--job')) yieldToOthers();
  void removeAbandoned();
  const models = new OpenModels();
  const jobs = createJobs(models);
  const running = new Map<number, AbortController>();

  const answer = async (id: number, method: EngineMethod, params: unknown): Promise<void> => {
    const controller = new AbortController();
    running.set(id, controller);
    const { progress, flush } = throttled(id);
    const ended = requestLog(id, method, send);
    try {
      const job = jobs[method] as Job<EngineMethod> | undefined;
      if (!job) throw new QuantscopeError('REQUEST', said`The engine has no "${String(method)}".`);
      const result: unknown = await job(params as never, { signal: controller.signal, progress });
      flush();
      ended();
      send({ kind: 'result', id, result });
    } catch (cause) {
      const error = serializeError(cause);
      ended(error);
      send({ kind: 'error', id, error });
    } finally {
      running.delete(id);
    }
  };

  process.on('message', (message: EngineInbound) => {
    switch (message.kind) {
      case 'ping':
        return send({ kind: 'pong' });
      case 'cancel':
        return running.get(message.id)?.abort();
      case 'request':
        return void answer(message.id, message.method, message.params);
    }
  });
  process.on('disconnect', () => {
    // Cancelled requests remove their temporary files; one that cannot be interrupted is not awaited.
    running.forEach((controller) => controller.abort());
    setTimeout(() => process.exit(0), leaveTime);
    setInterval(() => running.size === 0 && process.exit(0), 20);
  });
  const threads = Number(process.env['QUANTSCOPE_THREADS'] ?? 0);
  if (threads > 0) loadNative().setThreads(threads);
  send({ kind: 'log', level: 'debug', text: `process ${process.pid} started with Node ${process.version}` });
  send({ kind: 'ready', version: process.version });
}

/** A long job yields the processor to the editor and to short requests, whatever priority they have themselves. */
function yieldToOthers(): void {
  const { PRIORITY_BELOW_NORMAL, PRIORITY_LOW } = constants.priority;
  try {
    setPriority(Math.min(getPriority() + PRIORITY_BELOW_NORMAL, PRIORITY_LOW)); // before any thread starts: threads inherit it
  } catch {
    // not permitted here: the processor is shared evenly
  }
}

function send(answer: EngineAnswer): void {
  if (!process.connected) return;
  const spoken = spokenIn(answer);
  process.send?.((spoken.length > 0 ? { ...answer, spoken } : answer) satisfies EngineOutbound);
}

/** Drops progress that comes too soon after the previous one; `flush` sends the last one dropped. */
function throttled(id: number): { progress: (progress: EngineProgress) => void; flush: () => void } {
  let last = -Infinity;
  let held: EngineProgress | undefined;
  const flush = (): void => {
    if (held) send({ kind: 'progress', id, progress: held });
    held = undefined;
  };
  const progress = (step: EngineProgress): void => {
    // What was finished since the last report is not lost with the reports that are dropped.
    held = withEarlier(held, step);
    const now = performance.now();
    if (now - last < progressInterval && step.done < step.total) return;
    last = now;
    flush();
  };
  return { progress, flush };
}

/** A report with what an earlier one, which was not sent, had finished. */
function withEarlier(earlier: EngineProgress | undefined, step: EngineProgress): EngineProgress {
  const finished = [...(earlier?.finished ?? []), ...(step.finished ?? [])];
  const rows = [...(earlier?.lens?.rows ?? []), ...(step.lens?.rows ?? [])];
  const facts = step.lens?.facts ?? earlier?.lens?.facts;
  return {
    ...step,
    ...(finished.length === 0 ? {} : { finished }),
    ...(rows.length > 0 || facts ? { lens: { rows, ...(facts ? { facts } : {}) } } : {}),
  };
}

const probe = process.argv.indexOf('--probe');
if (probe >= 0) {
  void runProbe(process.argv[probe + 1] ?? '');
} else if (process.send) {
  serve();
} else {
  console.error(
    'This is the engine of Quantscope; it is started by the extension. Use the quantscope command instead.',
  );
  process.exitCode = 2;
}
