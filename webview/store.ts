import { tabled, type TabledModel } from '../src/protocol/tensorTable';
import type { EvaluationResult } from '../src/protocol/evaluation';
import type { FormatDescription } from '../src/protocol/formats';
import type { ModelLimits, ModelPart } from '../src/protocol/model';
import type { DeviceReport } from '../src/protocol/device';
import type { ScanActivity } from '../src/protocol/modelScanView';
import type { PlanOutline } from '../src/protocol/planOutline';
import type { RevisedPlan } from '../src/protocol/planStep';
import type { RecipeChoices } from '../src/protocol/quantizeModel';
import type {
  CommandTab,
  ComparisonState,
  EditorState,
  JobState,
  ModelComparisonState,
  TableOutline,
  VerificationState,
} from '../src/protocol/editorState';
import type { EvaluationActivity } from '../src/protocol/evaluationView';
import type { RefinementActivity } from '../src/protocol/refinementView';
import { inOrder } from './executionOrder';
import type { Figures } from './influence';
import type { PersistentValues } from './persistent';
import type { Quantization } from './quantization';
import { recall, remember } from './remembered';
import { destinations, firstModes, followsSelection, type Modes, type Tab } from './tabs';
import type { EvaluationForm } from './views/evaluate/form';
import type { RefinementForm } from './views/refine/form';

/** The state that everything in the editor is rendered from. */
export interface State {
  readonly model?: TabledModel;
  /** Increases when the page shows another model, or other files of it: an answer to an earlier request is not about this one. */
  readonly opening: number;
  /** Revision of the model's files: increases when they have changed. */
  readonly revision: number;
  /** Present where the editor was opened with one file of a larger model. */
  readonly part?: ModelPart;
  /** What cannot be done with the model; undefined until it is known. */
  readonly limits?: ModelLimits | undefined;
  readonly formats: readonly FormatDescription[];
  readonly device?: DeviceReport;
  /** Which measurements the host has, and those that the page has requested. */
  readonly sensitivity?: TableOutline | undefined;
  readonly figures?: Figures | undefined;
  /** Which plan the host has, and the one that the page has requested. */
  readonly plan?: PlanOutline | undefined;
  readonly whole?: RevisedPlan | undefined;
  /** Increases when plan files next to the model are written or removed. */
  readonly savedPlans: number;
  /** Where the user moved the slider to, bits per weight; undefined while the plan is one that the page was told of. */
  readonly movedBudget?: number | undefined;
  /** Why the plan could not be solved. */
  readonly planFailure?: string | undefined;
  readonly job: JobState;
  readonly comparison?: ComparisonState | undefined;
  readonly modelComparison?: ModelComparisonState | undefined;
  /** What is known of the files against their digests. */
  readonly verification?: VerificationState | undefined;
  /** What recipes can be made of; absent until the page that quantizes the whole model requests it. */
  readonly recipeChoices?: RecipeChoices;
  /** A calibration text next to the model. */
  readonly calibrationText?: string;
  /** The quantization of the whole model that is in progress, or the last one. */
  readonly quantization?: Quantization;
  /** The refinement of this file that is in progress, or the last one, and the form of the page that starts one. */
  readonly refinement?: RefinementActivity;
  readonly refinementForm?: RefinementForm;
  /** The scan of all tensors, once the host has told of one; and how often it has told of further figures. */
  readonly scanActivity?: ScanActivity | undefined;
  readonly scanned: number;
  /** The evaluation in progress, or the last one. */
  readonly evaluation?: EvaluationActivity;
  /** Results of earlier evaluations, latest first; absent until the Evaluate page requests them. */
  readonly evaluationResults?: readonly EvaluationResult[];
  readonly evaluationForm?: EvaluationForm;
  /** Why the model could not be opened. */
  readonly failure?: string | undefined;
  /** Why the last request failed; shown until the next one. */
  readonly problem?: string | undefined;
  /** Selected tensors; the last one is shown. */
  readonly selected: readonly string[];
  /** Whether the user (or a command) selected them; false for the initial selection of an editor. */
  readonly isSelected: boolean;
  readonly tab: Tab;
  readonly modes: Modes;
}

/** What is forgotten when the page shows another model, or other files of it. */
const ofEarlierFiles = {
  ...{ comparison: undefined, modelComparison: undefined, verification: undefined, scanActivity: undefined },
  ...{
    limits: undefined,
    figures: undefined,
    whole: undefined,
    movedBudget: undefined,
    planFailure: undefined,
  },
};

/** Holds the state and notifies listeners of changes. */
export class Store {
  state: State;
  private readonly listeners = new Set<() => void>();

  /** @param persistent what outlives the page. */
  constructor(private readonly persistent: PersistentValues) {
    this.state = {
      formats: [],
      revision: 0,
      opening: 0,
      savedPlans: 0,
      scanned: 0,
      job: { kind: 'idle' },
      selected: [],
      isSelected: false,
      tab: 'model',
      modes: firstModes,
    };
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  update(change: Partial<State>): void {
    this.state = { ...this.state, ...change };
    remember(this.persistent, change, this.state.isSelected);
    for (const listener of this.listeners) listener();
  }

  open({ reveal, tab, model: packed, ...state }: EditorState): void {
    const model = tabled(packed);
    const isAnother = this.persistent.use(`${model.path}${state.part?.alone ? ' alone' : ''}`);
    const { selected = this.state.selected, ...recalled } = isAnother ? recall(this.persistent) : {};
    const kept = selected.filter((name) => model.table.indexOf(name) >= 0);
    const isNew = state.revision !== this.state.revision || state.part?.alone !== this.state.part?.alone;
    const first = reveal ?? kept[0] ?? firstMatrix(model);
    this.update({
      ...{ sensitivity: undefined, plan: undefined, failure: undefined },
      ...(isNew ? { ...ofEarlierFiles, opening: this.state.opening + 1 } : {}),
      ...{ ...state, ...recalled, model },
      selected: reveal === undefined && kept.length > 0 ? kept : first === undefined ? [] : [first],
      isSelected: reveal !== undefined || (!isNew && this.state.isSelected),
    });
    if (tab) this.openTab(tab);
  }

  /** Shows a page, and there what a command leads to. */
  openTab(tab: CommandTab): void {
    const { tab: page, modes = {} } = destinations[tab];
    this.update({ tab: page, modes: { ...this.state.modes, ...modes } });
  }

  setModes(modes: Partial<Modes>): void {
    this.update({ modes: { ...this.state.modes, ...modes } });
  }

  /** Selects tensors; a page that has nothing to say of them gives way to that of the tensor. */
  select(names: readonly string[]): void {
    const { tab, modes } = this.state;
    this.update({
      selected: names,
      isSelected: true,
      ...(modes.quantize === 'wholeModel' ? {} : { modes: { ...modes, quantize: modeFor(names) } }),
      ...(followsSelection(tab, modes) ? {} : { tab: 'tensor' }),
    });
  }
}

/** What Quantize shows of a selection. */
const modeFor = (names: readonly string[]): Modes['quantize'] => (names.length > 1 ? 'tensors' : 'tensor');

/** What a fresh editor shows: the first matrix of the forward pass, where the list begins; a matrix has more to see than a norm. */
function firstMatrix({ table }: TabledModel): string | undefined {
  const matrices = table.firstsOfPatterns(({ readable, shape }) => readable && shape.length > 1);
  const names = matrices.map((i) => table.name(i));
  const [first] = inOrder(names, (name) => name);
  if (first !== undefined) return first;
  const readable = table.findKind((kind) => kind.readable);
  return table.count === 0 ? undefined : table.name(Math.max(0, readable));
}
