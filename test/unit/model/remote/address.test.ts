import { describe, expect, it, vi } from 'vitest';
import { hubFolder, joinRemote, remotePlace } from '../../../../src/model/remote/address';

const hub = 'https://hub.example';
const files = `${hub}/owner/model/resolve`;

describe('an address', () => {
  it.each([
    ['hf://owner/model', `${files}/main`],
    ['hf://owner/model/', `${files}/main/`],
    ['hf://owner/model/sub/a.gguf', `${files}/main/sub/a.gguf`],
    ['hf://owner/model@v1.0/a.gguf', `${files}/v1.0/a.gguf`],
    ['hf://owner/model@refs/pr/3', `${files}/refs%2Fpr%2F3`],
    ['hf://owner/model@refs%2Fpr%2F3/a b.gguf', `${files}/refs%2Fpr%2F3/a%20b.gguf`],
    [`${hub}/owner/model`, `${files}/main`],
    [`${hub}/owner/model/tree/v2`, `${files}/v2`],
    [`${hub}/owner/model/blob/main/a.gguf`, `${files}/main/a.gguf`],
    [`${files}/main/a.gguf?download=true`, `${files}/main/a.gguf`],
  ])('of the Hub is that of its files: %s', (address, path) => {
    expect(remotePlace(address, hub)).toEqual({ path, query: '' });
  });

  it('keeps what follows the question mark apart from the path', () => {
    const place = remotePlace('https://store.example/b/m.gguf?X-Amz-Signature=s3cret#top', hub);
    expect(place).toEqual({ path: 'https://store.example/b/m.gguf', query: '?X-Amz-Signature=s3cret' });
  });

  it.each([
    ['https://', /not an address/],
    ['ftp://host/file', /not an address/],
    ['https://user:pw@host/file', /user name or a password/],
    ['hf://owner', /hf:\/\/OWNER\/MODEL/],
    ['hf://owner/../x', /hf:\/\/OWNER\/MODEL/],
    ['hf://owner/model@', /no revision/],
    ['hf://owner/model/../../other/model', /out of the model/],
  ])('that is none is refused: %s', (address, message) => {
    expect(() => remotePlace(address, hub)).toThrow(message);
  });

  it('never repeats a secret in an error', () => {
    expect(() => remotePlace('https://user:pw@host/f?sig=abc')).toThrow(/^(?!.*(pw|abc)).*$/s);
  });
});

describe('a path on a server', () => {
  it('is joined with names as files have them', () => {
    expect(joinRemote('https://h/a/', 'b c?.json', '1_Dense/x')).toBe('https://h/a/b%20c%3F.json/1_Dense/x');
    expect(joinRemote('https://h/a', 'b%20c.json')).toBe('https://h/a/b%20c.json');
  });

  it.each(['..', '.', '../x', 'a/../b', '%2e%2e', '..%2Fx', '%252e%252E', '..%5cx', '..\\x', '100%/%2e.'])(
    'is never joined with a name that leads elsewhere: %s',
    (name) => {
      expect(() => joinRemote('https://h/a', name)).toThrow(/is not the name of a file in this folder/);
    },
  );

  it.each(['..a', 'a..b', '100%', 'a%20b', '%2x'])('is joined with a name that only looks so: %s', (name) => {
    expect(new URL(joinRemote('https://h/a', name)).pathname).toMatch(/^\/a\/[^/]+$/);
  });

  it('names model, revision and folder on the Hub', () => {
    expect(hubFolder(`${files}/main`, hub)).toEqual({ model: 'owner/model', revision: 'main', inside: '' });
    expect(hubFolder(`${files}/main/sub/dir`, hub)?.inside).toBe('sub/dir');
    expect(hubFolder('https://elsewhere.example/owner/model/resolve/main', hub)).toBeUndefined();
  });

  it('is no matter of paths of this machine: a wrong HF_ENDPOINT hinders none of them', () => {
    vi.stubEnv('HF_ENDPOINT', 'mirror.example');
    try {
      expect(hubFolder('/models/owner/model')).toBeUndefined();
      expect(() => hubFolder(`${files}/main`)).toThrow(/HF_ENDPOINT/);
    } finally {
      vi.unstubAllEnvs();
    }
  });
});
