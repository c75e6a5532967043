import { describe, expect, it } from 'vitest';
import manifest from '../../../package.json' with { type: 'json' };
import { settings } from '../../../src/vscode/contributions';
import { measuringSettings } from '../../../src/vscode/measuringSettings';
import { storedParams } from '../../../src/vscode/sensitivityJob';

const settingsOf = (values: Readonly<Record<string, unknown>>) =>
  measuringSettings({ get: <T>(name: string, absent: T) => (values[name] as T | undefined) ?? absent }, '/m');

describe('how a model is measured', () => {
  it('follows from the settings of its folder', () => {
    expect(settingsOf({})).toEqual({ codes: 'optimised', backend: 'cpu' });
    expect(
      settingsOf({ gainTokens: 64, sampleBlocks: 1, curvature: true, latticeTypes: true, backend: 'gpu' }),
    ).toEqual({
      ...{ codes: 'optimised', backend: 'gpu', curvature: true, lattices: true, tokens: 64, sampleBlocks: 3 },
    });
    expect(settingsOf({ gainTokens: 1.5, sampleBlocks: -1 })).toEqual(settingsOf({}));
  });

  it('names the importance matrix from the folder of the model', () => {
    expect(settingsOf({ importanceMatrix: ' i.gguf ' }).imatrix).toBe('/m/i.gguf');
    expect(settingsOf({ importanceMatrix: '/else/i.gguf' }).imatrix).toBe('/else/i.gguf');
  });

  it('names the measurements that are shown: with the matrix and for the backend', () => {
    const { imatrix, backend } = settingsOf({ importanceMatrix: 'i.gguf', backend: 'gpu' });
    const stored = storedParams({ path: '/m/a.gguf' }, '/cells', { imatrix: imatrix!, backend });
    expect(stored).toEqual({ path: '/m/a.gguf', cacheDir: '/cells', imatrix: '/m/i.gguf', backend: 'gpu' });
  });

  it('can be set for each folder of a workspace', () => {
    const perMachine: readonly string[] = [settings.device, settings.allowSoftwareGpu, settings.threads];
    const { section, ...names } = settings;
    const groups = manifest.contributes.configuration.map((group) => group.properties);
    const scopes = Object.assign({}, ...groups) as Readonly<Record<string, { readonly scope: string }>>;
    for (const name of Object.values(names))
      expect([name, scopes[`${section}.${name}`]?.scope]).toEqual([
        name,
        perMachine.includes(name) ? 'machine' : 'resource',
      ]);
  });
});
