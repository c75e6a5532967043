import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeAtomically } from '../files/atomicFile';
import { cacheRoot } from '../model/cacheRoot';
import { isRecord } from '../model/json';

/** What a probe found: the device works and gives the addon's results, or why not. */
export type Verdict =
  { readonly ok: true; readonly label: string } | { readonly ok: false; readonly reason: string };

/** A verdict as it is kept: what it is about, for people who read the file, and when it was found. */
type Remembered = Verdict & { readonly device: string; readonly onnxruntime: string; readonly at: string };

/** How long a negative verdict is valid (ms): a GPU whose memory another program used works again later. */
const refusalLasts = 24 * 60 * 60 * 1000;

/** Number of verdicts that are kept, the latest: a machine has a few devices and occasionally a new driver. */
const maxVerdicts = 32;

/** Verdicts of this process, also where the file cannot be written. */
const ofThisProcess = new Map<string, Verdict>();

/** The file that outlives the process; none where nothing can be kept. */
function verdictFile(): string | undefined {
  const root = cacheRoot();
  return root === undefined ? undefined : join(root, 'devices.json');
}

/** What an earlier probe found under the same identity. */
export function recallVerdict(identity: string): Verdict | undefined {
  return ofThisProcess.get(identity) ?? readVerdicts().get(identity);
}

/** Keeps a verdict, for this process and in the file. A file that cannot be written costs a probe at the next start. */
export async function rememberVerdict(
  identity: string,
  verdict: Verdict,
  device: string,
  version: string,
): Promise<void> {
  ofThisProcess.set(identity, verdict);
  const kept = readVerdicts();
  kept.delete(identity);
  kept.set(identity, { ...verdict, device, onnxruntime: version, at: new Date().toISOString() });
  const file = verdictFile();
  if (file === undefined) return;
  const text = `${JSON.stringify(Object.fromEntries([...kept].slice(-maxVerdicts)), null, 2)}\n`;
  try {
    await writeAtomically(file, (target) => target.write(Buffer.from(text)));
  } catch {
    // not writable: the verdict lasts as long as this process
  }
}

/** Those of the file that still hold, oldest first; none from a damaged file. */
function readVerdicts(): Map<string, Remembered> {
  const file = verdictFile();
  if (file === undefined) return new Map();
  try {
    const all: unknown = JSON.parse(readFileSync(file, 'utf8'));
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
