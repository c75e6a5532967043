import * as vscode from 'vscode';
import type { EngineClient } from '../../engine/client';
import { QuantscopeError } from '../../model/errors';
import { printable } from '../../protocol/printable';
import type { Tool, ToolContext } from '../../tools/tool';
import { whileWanted } from '../cancellation';
import { consentFor, type Consent } from './consent';
import type { ToolPlaces } from './places';
import { withinRoom } from './room';

type Input = Readonly<Record<string, unknown>>;

/** What all tools share; the engine's requests are bound to each call. */
export interface ToolHost extends Pick<ToolContext, 'cacheDir' | 'evaluationDir'> {
  readonly device: () => ToolContext['device'];
  readonly call: EngineClient['call'];
  readonly places: ToolPlaces;
}

/** A tool of the table as VS Code offers it to language models. The table is loaded by the first call. */
export class ModelTool implements vscode.LanguageModelTool<Input> {
  constructor(
    /** In the user's language. */
    private readonly title: string,
    private readonly load: () => Promise<Tool>,
    private readonly host: ToolHost,
  ) {}

  /**
   * What the user is told while it runs; and what they are asked first, where it writes a file or reads from a server.
   * @throws QuantscopeError where it could not run: nobody is asked in vain.
   */
  async prepareInvocation(
    { input: given }: vscode.LanguageModelToolInvocationPrepareOptions<Input>,
    token: vscode.CancellationToken,
  ): Promise<vscode.PreparedToolInvocation> {
    const tool = await this.load();
    const input = checked(tool, given);
    const { title } = this;
    const invocationMessage = asText(`${title}: ${String(input['model'])}`);
    const { places } = this.host;
    const consent = await whileWanted(token, (signal) =>
      consentFor(tool, input, places, this.context(signal)),
    );
    const questions = questionsOf(consent);
    if (questions.length === 0) return { invocationMessage };
    return { invocationMessage, confirmationMessages: { title, message: asText(questions.join(' ')) } };
  }

  /** @throws QuantscopeError where the input is not valid, a place is not allowed, or the work fails. */
  async invoke(
    { input, tokenizationOptions }: vscode.LanguageModelToolInvocationOptions<Input>,
    token: vscode.CancellationToken,
  ): Promise<vscode.LanguageModelToolResult> {
    const tool = await this.load();
    const { data, lines } = await whileWanted(token, (signal) =>
      tool.run(checked(tool, input), this.context(signal)),
    );
    const text = lines.map(printable).join('\n');
    const parts = await withinRoom(text, JSON.stringify(data), tokenizationOptions, token);
    return new vscode.LanguageModelToolResult(parts.map((part) => new vscode.LanguageModelTextPart(part)));
  }

  private context(signal: AbortSignal): ToolContext {
    const { title, host } = this;
    const { call, places, device, ...folders } = host;
    return {
      ...folders,
      device: device(),
      call: (method, params) => call(method, params, { signal, title }),
      place: (text) => places.place(text),
      modelPlace: (text) => places.modelPlace(text),
      target: (text) => places.target(text),
    };
  }
}

const questionsOf = ({ reads, writes }: Consent): string[] => [
  ...reads.map((address) => vscode.l10n.t('Read {0} from its server.', address)),
  ...(writes === undefined
    ? []
    : ['sentence' in writes ? writes.sentence : vscode.l10n.t('Write {0}.', writes.file)]),
];

/** Names of files and tensors are text, never markup. */
const asText = (text: string): vscode.MarkdownString =>
  new vscode.MarkdownString().appendText(printable(text));

/** The input by the tool's own schema, with its defaults. @throws QuantscopeError REQUEST naming each field that is wrong. */
function checked(tool: Tool, given: Input): Input {
  const { success, data, error } = tool.input.safeParse(given);
  if (success) return data;
  const faults = error.issues.map(({ path, message }) => `${path.join('.') || tool.name}: ${message}`);
  throw new QuantscopeError('REQUEST', faults.join('. '));
}
