import type { z } from 'zod';
import type { EngineMethod, EngineProgress, EngineRequests } from '../protocol/engine';
import type { DeviceChoice } from '../protocol/device';

/** Sends a request to the engine, as `EngineClient.call`. */
export type EngineCall = <M extends EngineMethod>(
  method: M,
  params: EngineRequests[M]['params'],
  options?: { readonly signal?: AbortSignal; readonly onProgress?: (progress: EngineProgress) => void },
) => Promise<EngineRequests[M]['result']>;

/** What a host gives a tool for one call. */
export interface ToolContext {
  /** Already bound to the signal and the progress of the call. */
  readonly call: EngineCall;
  /**
   * The place that a text names. Every path of an input goes through here, so that a host decides what may be read.
   * @throws QuantscopeError REQUEST for a place outside of what the host allows.
   */
  readonly place: (text: string) => Promise<string>;
  /** The same of a model, of which other files are read, too: no link among them leads outside. */
  readonly modelPlace: (text: string) => Promise<string>;
  /** The same of a file to write. */
  readonly target: (text: string) => Promise<string>;
  /** Where sensitivity results are kept, and those of evaluations. */
  readonly cacheDir: string;
  readonly evaluationDir: string;
  readonly device: DeviceChoice;
}

/** What a tool answers: data for programs, and the same for readers. */
export interface ToolResult<O> {
  readonly data: O;
  /** Lines; names from files are made printable by whoever shows them. */
  readonly lines: readonly string[];
}

/** What language models and other programs can ask for. Schemas are the single source of types, checks and documentation. */
export interface Tool<I extends z.ZodObject = z.ZodObject, O extends z.ZodObject = z.ZodObject> {
  /** "inspect_model". */
  readonly name: string;
  readonly title: string;
  /** What it is for and what it costs, for a model that chooses between tools. */
  readonly description: string;
  readonly input: I;
  readonly output: O;
  /**
   * Present where the tool writes a file: what it will write, as a sentence that the user is asked to confirm. Checks all that can be checked
   * without doing the work.
   */
  announce?(input: z.output<I>, context: ToolContext): Promise<string>;
  run(input: z.output<I>, context: ToolContext): Promise<ToolResult<z.input<O>>>;
}

/** A tool whose types follow from its schemas. */
export const defineTool = <I extends z.ZodObject, O extends z.ZodObject>(tool: Tool<I, O>): Tool => tool;
