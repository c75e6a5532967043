import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cacheRoot } from '../model/cacheRoot';
import { isRecord } from '../model/json';

/** What a probe found: the device works and its numbers are the addon's, or why not. */
export type Verdict =
  { readonly ok: true; readonly label: string } | { readonly ok: false; readonly reason: string };

/** A verdict as it is kept: what it is about, for people who read the file, and when it was found. */
type Remembered = Verdict & { readonly device: string; readonly onnxruntime: string; readonly at: string };

/** How long a refusal lasts (ms): a GPU whose memory another program had taken works again later. */
const refusalLasts = 24 * 60 * 60 * 1000;

/** Verdicts that are kept, the latest: a machine has a few devices and now and then a new driver. */
const maxVerdicts = 32;

/** Verdicts of this process, also where the file cannot be written. */
const ofThisProcess = new Map<string, Verdict>();

/** The file that outlives the process. */
const verdictFile = (): string => join(cacheRoot(), 'devices.json');

/** What an earlier probe found under the same identity. */
export function recallVerdict(identity: string): Verdict | undefined {
  return ofThisProcess.get(identity) ?? readVerdicts().get(identity);
}

/** Keeps a verdict, for this process and in the file. A file that cannot be written costs a probe at the next start. */
export function rememberVerdict(identity: string, verdict: Verdict, device: string, version: string): void {
  ofThisProcess.set(identity, verdict);
  const kept = readVerdicts();
  kept.delete(identity);
  kept.set(identity, { ...verdict, device, onnxruntime: version, at: new Date().toISOString() });
  try {
    replaceFile(
      verdictFile(),
      `${JSON.stringify(Object.fromEntries([...kept].slice(-maxVerdicts)), null, 2)}\n`,
    );
  } catch {
    // no place for it: the verdict lasts as long as this process
  }
}

function replaceFile(file: string, text: string): void {
  const temporary = `${file}.${process.pid}`;
  mkdirSync(dirname(file), { recursive: true });
  try {
    writeFileSync(temporary, text);
    renameSync(temporary, file);
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Those of the file that still hold, oldest first; a damaged file is no memory. */
function readVerdicts(): Map<string, Remembered> {
  try {
    const all: unknown = JSON.parse(readFileSync(verdictFile(), 'utf8'));
    return new Map(Object.entries(isRecord(all) ? all : {}).filter(holds));
  } catch {
    return new Map();
  }
}

function holds(entry: [string, unknown]): entry is [string, Remembered] {
  const [, found] = entry;
  if (!isRecord(found)) return false;
  const age = Date.now() - Date.parse(String(found['at']));
  if (found['ok'] === true) return typeof found['label'] === 'string' && !Number.isNaN(age);
  return found['ok'] === false && typeof found['reason'] === 'string' && age >= 0 && age < refusalLasts;
}
