import type { HttpsProxyAgent } from 'https-proxy-agent';
import { getProxyForUrl } from 'proxy-from-env';

const agents = new Map<string, HttpsProxyAgent<string>>();

/**
 * The agent through which a server is reached: of the given proxy, else of the environment's (HTTPS_PROXY, HTTP_PROXY, NO_PROXY); undefined
 * where it is reached directly.
 * @throws TypeError for a proxy that is not a valid address.
 */
export async function proxyAgent(url: URL, proxy?: string): Promise<HttpsProxyAgent<string> | undefined> {
  const through = proxy ?? getProxyForUrl(url.href);
  if (through === '') return undefined;
  const before = agents.get(through);
  if (before) return before;
  const { HttpsProxyAgent: Agent } = await import('https-proxy-agent'); // few have a proxy
  const agent = new Agent(through, { keepAlive: true });
  agents.set(through, agent);
  return agent;
}
