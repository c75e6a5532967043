import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import {
  ElicitRequestSchema,
  ListRootsRequestSchema,
  type CallToolResult,
} from '@modelcontextprotocol/sdk/types.js';
import { pathToFileURL } from 'node:url';
import { onTestFinished } from 'vitest';

export interface ClientOptions {
  /** Answers of the user; a client without them cannot ask. */
  readonly answer?: (question: string) => 'accept' | 'decline' | 'cancel';
  /** Folders of the client. */
  readonly roots?: () => readonly string[];
}

export interface ConnectOptions extends ClientOptions {
  readonly cli: string;
  readonly cache: string;
  readonly args?: readonly string[];
  readonly cwd?: string;
}

/** The longest time that a timer of Node takes, in milliseconds. */
const longestTimer = 2 ** 31 - 1;

/** The official client, connected to `quantscope mcp` over stdio until the test is finished. */
export async function connectMcp({ cli, cache, args = [], cwd, answer, roots }: ConnectOptions) {
  const capabilities = {
    ...(answer ? { elicitation: {} } : {}),
    ...(roots ? { roots: { listChanged: true } } : {}),
  };
  const client = new Client({ name: 'test', version: '1' }, { capabilities });
  if (answer)
    client.setRequestHandler(ElicitRequestSchema, ({ params }) => ({ action: answer(params.message) }));
  if (roots)
    client.setRequestHandler(ListRootsRequestSchema, () => ({
      roots: roots().map((folder) => ({ uri: pathToFileURL(folder).href })),
    }));
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [cli, 'mcp', '--device', 'cpu', ...args],
    env: { ...(process.env as Record<string, string>), QUANTSCOPE_CACHE: cache },
    stderr: 'ignore',
    ...(cwd === undefined ? {} : { cwd }),
  });
  await client.connect(transport);
  onTestFinished(() => client.close());
  // The client compares structured results with the schemas of the tools that it knows.
  await client.listTools();
  const call = async (
    name: string,
    input: Record<string, unknown>,
    options?: Parameters<Client['callTool']>[2],
  ) => {
    // The test's own limit is the only one.
    const patient = { timeout: longestTimer, ...options };
    return (await client.callTool({ name, arguments: input }, undefined, patient)) as CallToolResult;
  };
  return { client, call, pid: transport.pid! };
}

/** The text of a result. */
export const textOf = ({ content }: CallToolResult): string =>
  content.map((item) => (item.type === 'text' ? item.text : '')).join('\n');
