import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import type { Server } from '@modelcontextprotocol/sdk/server/index.js';
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js';
import type { CallToolResult, ServerNotification, ServerRequest } from '@modelcontextprotocol/sdk/types.js';
import packageJson from '../../../package.json';
import { printable } from '../../protocol/printable';
import type { EngineCall, Tool, ToolContext } from '../../tools/tool';
import { tools } from '../../tools/tools';
import type { AllowedFolders } from './allowedFolders';
import { requireConsent } from './consent';
import { progressTo } from './progress';

export interface ServerSettings extends Pick<ToolContext, 'cacheDir' | 'evaluationDir' | 'device'> {
  readonly call: EngineCall;
  /** Files are written also where the client cannot ask the user. */
  readonly allowWrite: boolean;
}

type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>;

const instructions =
  'Quantscope inspects and quantizes language models. Start with inspect_model; estimate says what fits a memory; recommend_plan finds the best formats, write_plan and export_gguf write files after the user has agreed.';

/** A server of all tools, which is not connected yet. */
export function createServer(
  settings: ServerSettings,
  foldersOf: (client: Server) => AllowedFolders,
): McpServer {
  const { name, version } = packageJson;
  const server = new McpServer({ name, title: 'Quantscope', version }, { instructions });
  const folders = foldersOf(server.server);
  for (const tool of tools) register(server, tool, settings, folders);
  return server;
}

function register(server: McpServer, tool: Tool, settings: ServerSettings, folders: AllowedFolders): void {
  const { title, description, input: inputSchema, output: outputSchema } = tool;
  const writes = 'announce' in tool;
  const annotations = { readOnlyHint: !writes, destructiveHint: writes, openWorldHint: false };
  server.registerTool(
    tool.name,
    { title, description, inputSchema, outputSchema, annotations },
    async (input, extra): Promise<CallToolResult> => {
      const context = contextOf(settings, folders, extra);
      if (tool.announce) {
        const question = printable(await tool.announce(input, context));
        await requireConsent(server.server, question, settings.allowWrite, extra.signal);
      }
      const { data, lines } = await tool.run(input, context);
      const text = lines.map(printable).join('\n');
      return { content: [{ type: 'text', text }], structuredContent: data };
    },
  );
}

/** What a tool gets for one call: requests end with it, and their progress is the client's. */
function contextOf(
  { call, allowWrite: _, ...kept }: ServerSettings,
  folders: AllowedFolders,
  extra: Extra,
): ToolContext {
  const onProgress = progressTo(extra);
  const options = { signal: extra.signal, ...(onProgress ? { onProgress } : {}) };
  return {
    ...kept,
    call: (method, params) => call(method, params, options),
    place: (text) => folders.place(text),
    modelPlace: (text) => folders.modelPlace(text),
    target: (text) => folders.target(text),
  };
}
