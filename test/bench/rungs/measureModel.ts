import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatsFor } from '../../../src/ampq/candidates';
import { makePlan, printPlan } from '../../../src/ampq/planFile';
import { createJobs } from '../../../src/engine/jobs';
import { OpenModels } from '../../../src/engine/models';
import { fileFrame } from '../../../src/exporter/fileFrame';
import { openModel } from '../../../src/layouts/openModel';
import { readImatrix } from '../../../src/model/imatrix';
import type { SensitivityParams } from '../../../src/protocol/sensitivityRun';
import type { Estimate } from '../../../src/protocol/estimate';
import type { FileFrame } from '../../../src/protocol/fileFrame';
import type { Plan, SensitivityTable } from '../../../src/protocol/plan';
import { formatById } from '../../../src/quant/catalogue';
import type { QuantFormat } from '../../../src/quant/format';
import { afterSwaps } from './swaps';

/** What was measured of a model; divergences are means in nats per token. */
export interface MeasuredModel {
  readonly text: { readonly tokens: number; readonly context: number };
  readonly sizes: readonly { readonly type: string; readonly bytes: number }[];
  /** Presets and plans of at most their bytes, a divergence for each size. */
  readonly plans: readonly {
    readonly name: string;
    readonly codes: string;
    readonly divergences: readonly Estimate[];
  }[];
  readonly types: readonly {
    readonly type: string;
    /** Absent where llama.cpp requires an importance matrix. */
    readonly reference?: Estimate;
    readonly weighted: Estimate;
    readonly optimised: Estimate;
  }[];
}

const presets = ['Q3_K_M', 'Q4_K_M', 'Q6_K'] as const;
const candidates = ['Q2_K', 'Q3_K', 'IQ4_XS', 'Q4_0', 'Q4_K', 'Q5_K', 'Q6_K', 'Q8_0', 'F16'];
/** Types whose codes are compared; those on lattices need an importance matrix in llama.cpp. */
const lattices = ['IQ2_XXS', 'IQ2_S', 'IQ3_XXS'];
/** The type of matrices that have none where these are to have it. */
const withoutImportance = 'Q2_K';
const types = [
  ...lattices,
  'IQ3_S',
  'Q2_K',
  'Q3_K',
  'IQ4_XS',
  'IQ4_NL',
  'Q4_0',
  'Q4_K',
  'Q5_K',
  'Q6_K',
  'Q8_0',
];

const context = {
  signal: new AbortController().signal,
  progress: ({ message }: { readonly message: string }): void =>
    void process.stderr.write(`\r${message}\x1b[K`),
};

/** The tables that plans of the rungs are made from. */
interface Tables {
  readonly weights: SensitivityTable;
  readonly importance: SensitivityTable;
  readonly gains: SensitivityTable;
  /** Gains from gradients. */
  readonly curved: SensitivityTable;
  readonly outputs: SensitivityTable;
}

/** The same without gains: plans then rely on errors and roles. */
function withoutGains({ gainsFrom: _, ...table }: SensitivityTable): SensitivityTable {
  const rows = table.rows.map(({ gain: __, measured: ___, ...row }) => row);
  return { ...table, rows, weightsOnly: 'gains are left out for comparison.' };
}

/**
 * Measures plans by each rung, and the codes of types, on a model.
 * @param source folder of the model, calibration.txt and eval.txt. @param folder for what is written.
 * @param windows of each half of eval.txt, at most.
 */
export async function measureModel(
  source: string,
  folder: string,
  windows: number | undefined,
): Promise<MeasuredModel> {
  const models = new OpenModels();
  const run = new ModelRun(source, folder, windows, createJobs(models));
  try {
    return await run.measure();
  } finally {
    await models.close();
  }
}

class ModelRun {
  private readonly sensitivity: string;
  private readonly evaluation: string;
  private readonly imatrix: string;
  private readonly texts: { readonly gains: string; readonly swaps: string; readonly unseen: string };
  private scored = { tokens: 0, context: 0 };
  private written = 0;

  constructor(
    private readonly source: string,
    private readonly folder: string,
    private readonly windows: number | undefined,
    private readonly jobs: ReturnType<typeof createJobs>,
  ) {
    this.sensitivity = join(folder, 'sensitivity');
    this.evaluation = join(folder, 'evaluation');
    this.imatrix = join(folder, 'imatrix.gguf');
    const whole = readFileSync(join(source, 'eval.txt'), 'utf8');
    const half = whole.indexOf('\n', whole.length / 2) + 1;
    const write = (name: string, text: string): string => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    this.texts = {
      gains: join(source, 'calibration.txt'),
      swaps: write('swaps.txt', whole.slice(0, half)),
      unseen: write('unseen.txt', whole.slice(half)),
    };
  }

  async measure(): Promise<MeasuredModel> {
    const calibration = {
      text: this.texts.gains,
      out: this.imatrix,
      device: 'cpu',
      processOutput: true,
    } as const;
    await this.jobs['calibration/run']({ path: this.source, ...calibration }, context);
    const tables = await this.tables();
    const sizes = [];
    for (const type of presets) {
      const preview = await this.jobs['export/preview']({ path: this.source, type }, context);
      sizes.push({ type, bytes: preview.fileBytes });
    }
    const plans = await this.plans(tables, sizes);
    return { text: this.scored, sizes, plans, types: await this.types(tables) };
  }

  private async tables(): Promise<Tables> {
    const table = (more: Partial<SensitivityParams>): Promise<SensitivityTable> =>
      this.jobs['sensitivity/run'](
        { path: this.source, device: 'cpu', cacheDir: this.sensitivity, formats: candidates, ...more },
        context,
      );
    const { gains: text } = this.texts;
    // All plans are measured by their weights alone, so none is made for kernels that round activations, whose errors those of weights would be traded for.
    const optimised = { evidenceDir: this.evaluation, isRequired: true, backend: 'gpu' } as const;
    return {
      weights: await table({ weightsOnly: true }),
      importance: await table({ weightsOnly: true, imatrix: this.imatrix }),
      gains: await table({ text }),
      // Measured gains of the same text would take their place.
      curved: await table({ text, optimised, curvature: true }),
      outputs: await table({ text, optimised }),
    };
  }

  private async plans(
    { weights, importance, gains, curved, outputs }: Tables,
    sizes: MeasuredModel['sizes'],
  ): Promise<MeasuredModel['plans']> {
    const model = await openModel(this.source);
    const plain = await fileFrame(model, {});
    const weighted = await fileFrame(model, { imatrix: await readImatrix(this.imatrix) });
    const optimised = await fileFrame(model, { isOptimised: true });
    await model.close();
    const { imatrix } = this;
    const byTable = (table: SensitivityTable, frame: FileFrame, more: object = {}) =>
      this.each(sizes, ({ bytes }) =>
        this.divergenceOf({ planFile: this.planFile(planOf(table, bytes, frame)), ...more }),
      );
    const improved = async (bytes: number): Promise<Estimate> => {
      const planFile = this.planFile(planOf(outputs, bytes, optimised));
      const settings = {
        ...({ path: this.source, planFile, text: this.texts.swaps, device: 'cpu' } as const),
        ...{ cacheDir: this.evaluation, improveFrom: this.sensitivity },
        ...(this.windows === undefined ? {} : { windows: this.windows }),
      };
      const plan = await afterSwaps(this.source, settings, context);
      return this.divergenceOf({ planFile: this.planFile(plan) });
    };
    const reference = 'llama.cpp';
    return [
      {
        ...{ name: 'preset', codes: reference },
        divergences: await this.each(sizes, ({ type }) => this.divergenceOf({ type })),
      },
      { name: '0, weights', codes: reference, divergences: await byTable(weights, plain) },
      {
        ...{ name: '1, importance', codes: `${reference}, importance matrix` },
        divergences: await byTable(importance, weighted, { imatrix }),
      },
      { name: '3, gains', codes: reference, divergences: await byTable(gains, plain) },
      {
        name: '2, Hessian',
        codes: 'optimised',
        divergences: await byTable(withoutGains(outputs), optimised),
      },
      {
        ...{ name: '3, gains by the curvature', codes: 'optimised' },
        divergences: await byTable(curved, optimised),
      },
      { name: '3, gains', codes: 'optimised', divergences: await byTable(outputs, optimised) },
      {
        ...{ name: '4, joint: swaps', codes: 'optimised' },
        divergences: await this.each(sizes, ({ bytes }) => improved(bytes)),
      },
    ];
  }

  private async types({ gains, outputs }: Tables): Promise<MeasuredModel['types']> {
    const found: MeasuredModel['types'][number][] = [];
    const { entries } = await readImatrix(this.imatrix);
    for (const type of types) {
      // Nothing is known of the inputs of an embedding, unless it is the output matrix, too.
      const typeOf = (tensor: string): string =>
        lattices.includes(type) && !entries.has(tensor) ? withoutImportance : type;
      const planFile = this.planFile(inTypes(gains, typeOf));
      const reference = lattices.includes(type) ? {} : { reference: await this.divergenceOf({ planFile }) };
      found.push({
        ...{ type, ...reference },
        weighted: await this.divergenceOf({ planFile, imatrix: this.imatrix }),
        optimised: await this.divergenceOf({
          planFile: this.planFile(inTypes(outputs, typeOf)),
          imatrix: this.imatrix,
        }),
      });
    }
    return found;
  }

  private async each(
    sizes: MeasuredModel['sizes'],
    measure: (size: MeasuredModel['sizes'][number]) => Promise<Estimate>,
  ): Promise<Estimate[]> {
    const found: Estimate[] = [];
    for (const size of sizes) found.push(await measure(size));
    return found;
  }

  private async divergenceOf(variant: {
    readonly type?: string;
    readonly planFile?: string;
    readonly imatrix?: string;
  }): Promise<Estimate> {
    const { text } = await this.jobs['evaluation/run'](
      {
        ...{ path: this.source, device: 'cpu', cacheDir: this.evaluation, text: this.texts.unseen },
        ...(this.windows === undefined ? {} : { windows: this.windows }),
        ...variant,
      },
      context,
    );
    this.scored = { tokens: text!.scoredTokens, context: text!.context };
    return text!.divergence!.mean;
  }

  private planFile(plan: Plan): string {
    const file = join(this.folder, `${this.written++}.ampq.json`);
    writeFileSync(file, printPlan(plan));
    return file;
  }
}

const planOf = (table: SensitivityTable, value: number, frame: FileFrame): Plan =>
  makePlan(table, { kind: 'bytes', value }, frame);

/** Every row in the type that it is to have; where rows are not whole blocks of it in the one that is written instead. */
function inTypes(table: SensitivityTable, typeOf: (tensor: string) => string): Plan {
  const any = makePlan(table, { kind: 'bits-per-weight', value: 16 });
  const rows = new Map(table.rows.map((row) => [row.tensor, row]));
  const assignments = any.assignments.map((item) => {
    const [{ id: format }] = formatsFor(rows.get(item.tensor)!, [formatById(typeOf(item.tensor))]) as [
      QuantFormat,
    ];
    return { tensor: item.tensor, sources: item.sources, format, bitsPerWeight: 0, bytes: 0 };
  });
  return { ...any, assignments };
}
