import type { Tool, ToolContext } from '../../tools/tool';
import type { ToolPlaces } from './places';

/** What the user has to agree to before a tool runs. */
export interface Consent {
  /** Addresses that are read. */
  readonly reads: readonly string[];
  /** The tool's sentence on what it writes; of a model on a server only the file, as nothing is read there before the user agrees. */
  readonly writes?: { readonly sentence: string } | { readonly file: string };
}

/**
 * @param input as the tool's schema has it.
 * @throws QuantscopeError where the tool could not run: nobody is asked in vain.
 */
export async function consentFor(
  tool: Tool,
  input: Readonly<Record<string, unknown>>,
  places: ToolPlaces,
  context: ToolContext,
): Promise<Consent> {
  const reads = places.unopenedAddresses(input);
  if (!tool.announce) return { reads };
  if (reads.length === 0) return { reads, writes: { sentence: await tool.announce(input, context) } };
  return { reads, writes: { file: await places.target(String(input['out'])) } };
}
