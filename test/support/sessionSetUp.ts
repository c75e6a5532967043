import { join } from 'node:path';
import { modelHash } from '../../src/model/identity';
import type { PlanBeside } from '../../src/protocol/planResults';
import type { LoadedModel } from '../../src/protocol/loadedModel';
import type { ModelDescription } from '../../src/protocol/model';
import type { SensitivityTable } from '../../src/protocol/plan';
import type { HostEvents } from '../../src/protocol/webview';
import type { SessionEvent } from '../../src/vscode/sessionParts';
import { Sessions } from '../../src/vscode/sessions';
import { fakeContext } from './fakeHost';
import { temporaryFolder } from './files';
import { packModel } from '../../src/model/packTensors';

/** The device that the engine of these sessions finds. */
export const device = { chosen: 'cpu', label: 'native addon', refused: [] } as const;

/** A model of one GGUF file; `mtimeMs` stands for its content. */
export function modelOf(folder: string, mtimeMs = 1): ModelDescription {
  const path = join(folder, 'model.gguf');
  return {
    ...{ path, folder, name: 'm', format: 'gguf', weightFiles: { present: 1, total: 1 }, missingFiles: [] },
    ...{ tensors: [], metadata: [], parameters: 100, dataBytes: 200, notes: [], warnings: [] },
    files: [{ path, size: 10, mtimeMs, headerHash: 'header', contentHash: `content ${mtimeMs}` }],
  } as unknown as ModelDescription;
}

/** A table of one tensor that is measured in as many formats. */
export function tableOf(model: ModelDescription, formats = ['Q4_K', 'Q8_0']): SensitivityTable {
  const bits: Record<string, number> = { Q4_K: 4.5, Q8_0: 8.5 };
  return {
    ...{
      modelHash: modelHash(model),
      modelName: model.name,
      parameters: 256,
      fixedBytes: 0,
      fixedParameters: 0,
    },
    presets: [],
    rows: [
      {
        ...{ tensor: 'a', sources: ['a'], shape: [1, 256], weights: 256 },
        ...{ lossless: { format: 'F32', bytes: 1024 }, roleFactor: 1 },
        cells: formats.map((format) => ({
          ...{ format, bytes: 32 * bits[format]!, bitsPerWeight: bits[format]! },
          ...{ relativeSquaredError: 1 / bits[format]!, sqnr: 20, maxError: 1, device: 'cpu' as const },
        })),
      },
    ],
  };
}

export interface SessionSetUp {
  readonly stored?: (folder: string) => SensitivityTable | undefined;
  readonly beside?: (folder: string) => PlanBeside;
  readonly loaded?: LoadedModel;
}

/** A session of a model, with an engine that a test plays. */
export function setUpSession({ stored, beside = () => ({ problems: [] }), loaded }: SessionSetUp = {}) {
  const folder = temporaryFolder();
  const files = { mtimeMs: 1 };
  const fake = fakeContext(
    {
      'model/open': () => packModel(modelOf(folder, files.mtimeMs)),
      'formats/list': () => [],
      'sensitivity/stored': () => stored?.(folder),
      'plan/beside': () => beside(folder),
      'sensitivity/estimate': ({ text }) => ({
        ...{ tensors: 1, formats: ['Q4_K', 'Q8_0'], seconds: 95 },
        ...(text === undefined ? {} : { text: { file: text, tokens: 2048 } }),
      }),
      'device/probe': () => device,
      ...(loaded ? { 'plan/loaded': () => loaded } : {}),
    },
    folder,
  );
  const sessions = new Sessions(fake.context);
  const session = sessions.get(join(folder, 'model.gguf'));
  const events: SessionEvent[] = [];
  session.onEvent((event) => events.push(event));
  const heard = <N extends SessionEvent['name']>(name: N) =>
    events.flatMap((event) => (event.name === name ? [event.payload as HostEvents[N]] : []));
  return { ...fake, folder, files, sessions, session, heard };
}
