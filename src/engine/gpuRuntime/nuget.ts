import { QuantscopeError } from '../../model/errors';
import { isRecord } from '../../model/json';
import { maxGpuPackage } from '../../model/limits';
import { fetchJson, type FetchOptions } from './https';

/** A version of a package as its source describes it. */
export interface PackageFacts {
  readonly url: string;
  readonly bytes: number;
  /** Base64. */
  readonly sha512: string;
  /** Path in the package → bytes unpacked; empty where the source does not list them. */
  readonly entries: ReadonlyMap<string, number>;
}

/** Resources of a source's index that describe package versions, the best first. */
const registrations = ['RegistrationsBaseUrl/3.6.0', 'RegistrationsBaseUrl/3.4.0', 'RegistrationsBaseUrl'];

/** Bytes of a SHA-512. */
const digestBytes = 64;

/**
 * Looks a package up by NuGet's protocol, version 3: index → registration of the version → entry of the catalogue, which
 * states size and digest.
 * @throws QuantscopeError IO when the source does not have it or does not state what is needed; CANCELLED.
 */
export async function findPackage(
  index: string,
  id: string,
  version: string,
  options: FetchOptions,
): Promise<PackageFacts> {
  const base = resourceOf(await fetchJson(index, options), index);
  const leafUrl = `${base.replace(/\/?$/, '/')}${id.toLowerCase()}/${version.toLowerCase()}.json`;
  const leaf = await fetchJson(leafUrl, options);
  const url = textOf(leaf, 'packageContent', leafUrl);
  const entryUrl = textOf(leaf, 'catalogEntry', leafUrl);
  return { url, ...factsOf(await fetchJson(entryUrl, options), entryUrl) };
}

function resourceOf(index: unknown, place: string): string {
  const resources = isRecord(index) && Array.isArray(index['resources']) ? index['resources'] : [];
  for (const type of registrations) {
    const found: unknown = resources.find((item) => isRecord(item) && item['@type'] === type);
    if (isRecord(found) && typeof found['@id'] === 'string') return found['@id'];
  }
  throw unusable(place, 'does not list package registrations');
}

function textOf(value: unknown, key: string, place: string): string {
  if (isRecord(value) && typeof value[key] === 'string') return value[key];
  throw unusable(place, `has no "${key}"`);
}

function factsOf(entry: unknown, place: string): Omit<PackageFacts, 'url'> {
  const sha512 = textOf(entry, 'packageHash', place);
  const algorithm = textOf(entry, 'packageHashAlgorithm', place);
  if (algorithm !== 'SHA512' || Buffer.from(sha512, 'base64').length !== digestBytes)
    throw unusable(place, `does not state a SHA-512 of the package but "${algorithm}" ${sha512}`);
  const { packageSize: bytes, packageEntries: listed } = entry as Record<string, unknown>;
  if (!Number.isSafeInteger(bytes) || Number(bytes) <= 0 || Number(bytes) > maxGpuPackage)
    throw unusable(place, `states a size of ${JSON.stringify(bytes)}`);
  const entries = new Map<string, number>();
  for (const item of Array.isArray(listed) ? (listed as unknown[]) : []) {
    if (!isRecord(item) || typeof item['fullName'] !== 'string') continue;
    if (Number.isSafeInteger(item['length'])) entries.set(item['fullName'], Number(item['length']));
  }
  return { sha512, bytes: Number(bytes), entries };
}

function unusable(place: string, what: string): QuantscopeError {
  return new QuantscopeError('IO', `${place} ${what}.`);
}
