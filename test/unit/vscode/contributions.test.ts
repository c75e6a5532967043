import { describe, expect, it } from 'vitest';
import packageJson from '../../../package.json';
import { commands, settings, viewTypes } from '../../../src/vscode/contributions';

const { contributes } = packageJson;

describe('package.json contributes what the code registers', () => {
  it('commands', () => {
    expect(contributes.commands.map((item) => item.command).sort()).toEqual(Object.values(commands).sort());
  });
  it('editors', () => {
    expect(contributes.customEditors.map((item) => item.viewType).sort()).toEqual(
      Object.values(viewTypes).sort(),
    );
  });
  it('settings', () => {
    const ids = [settings.device, settings.allowSoftwareGpu, settings.threads].map(
      (name) => `${settings.section}.${name}`,
    );
    expect(Object.keys(contributes.configuration.properties).sort()).toEqual(ids.sort());
  });
  it('menus with known commands only', () => {
    const used = Object.values(contributes.menus)
      .flat()
      .map((item) => item.command);
    for (const command of used) expect(Object.values<string>(commands)).toContain(command);
  });
});
