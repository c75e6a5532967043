import { describe, expect, it } from 'vitest';
import packageJson from '../../../package.json';
import english from '../../../package.nls.json';
import { commands, contextKeys, settings, views, viewTypes } from '../../../src/vscode/contributions';

const { contributes } = packageJson;

/** All settings; VS Code shows them by groups. */
const properties = Object.assign(
  {},
  ...contributes.configuration.map((group) => group.properties),
) as Readonly<Record<string, object>>;

/** Commands of the explorer that are about files of one format, about plans, or about adapters. */
const ofGguf = [commands.refine, commands.beatFile, commands.verifySource];
const ofPlans = [commands.openPlan, commands.comparePlans];
const ofOneFormat = new Set<string>([...ofGguf, ...ofPlans, commands.dryRunRecipe, commands.exportAdapter]);

describe('package.json contributes what the code registers', () => {
  it('commands', () => {
    expect(contributes.commands.map((item) => item.command).sort()).toEqual(Object.values(commands).sort());
  });
  it('editors', () => {
    expect(contributes.customEditors.map((item) => item.viewType).sort()).toEqual(
      Object.values(viewTypes).sort(),
    );
  });
  it('views', () => {
    expect(contributes.views.quantscope.map((item) => item.id)).toEqual(Object.values(views));
    for (const { view } of contributes.viewsWelcome) expect(Object.values<string>(views)).toContain(view);
  });
  it('settings', () => {
    const ids = Object.entries(settings).flatMap(([name, value]) =>
      name === 'section' ? [] : [`${settings.section}.${value}`],
    );
    expect(Object.keys(properties).sort()).toEqual(ids.sort());
  });
  it('menus with known commands only', () => {
    const used = Object.values(contributes.menus)
      .flat()
      .map((item) => item.command);
    for (const command of used) expect(Object.values<string>(commands)).toContain(command);
  });
  it('menus that show a command only where it makes sense', () => {
    for (const item of Object.values(contributes.menus).flat())
      expect((item as { when?: string }).when, item.command).toBeTruthy();
    const ofViews = [...contributes.menus['view/title'], ...contributes.menus['view/item/context']];
    for (const { when } of ofViews) expect(when).toMatch(/^view == quantscope\.(models|jobs)\b/);
    const cancel = contributes.commands.find(({ command }) => command === commands.cancelJob)!;
    expect(cancel).toMatchObject({ enablement: contextKeys.jobsRunning });
  });
  it('keys for known commands, where they make sense', () => {
    for (const { command, key, when } of contributes.keybindings) {
      expect(Object.values<string>(commands)).toContain(command);
      expect([key, when]).not.toContain('');
    }
  });
  it('links to known commands in welcomes and in the walkthrough', () => {
    const texts = Object.entries(english).filter(([name]) => /^(welcome|walkthrough)\./.test(name));
    const linked = texts.flatMap(([, text]) => text.match(/(?<=command:)quantscope\.\w+/g) ?? []);
    expect(linked.length).toBeGreaterThan(8);
    const events = contributes.walkthroughs.flatMap(({ steps }) =>
      steps.flatMap(({ completionEvents }) => completionEvents),
    );
    const named = events.flatMap((event) => event.match(/(?<=onCommand:).*/) ?? []);
    for (const command of [...linked, ...named]) expect(Object.values<string>(commands)).toContain(command);
  });
  it('settings in groups with titles, each in its order', () => {
    expect(contributes.configuration.map(({ order }) => order)).toEqual([1, 2, 3]);
    for (const { title, properties: group } of contributes.configuration) {
      expect(Object.keys(english)).toContain(title.slice(1, -1));
      const orders = Object.values<{ readonly order: number }>(group).map(({ order }) => order);
      expect(orders, title).toEqual(orders.map((_, index) => index + 1));
    }
  });
  it('settings with a scope and a description, and bounds where they are numbers', () => {
    for (const [name, setting] of Object.entries(properties)) {
      expect(setting, name).toHaveProperty('scope');
      if ('type' in setting && setting.type === 'integer')
        expect(setting, name).toMatchObject({
          minimum: expect.any(Number) as number,
          maximum: expect.any(Number) as number,
        });
      expect('description' in setting || 'markdownDescription' in setting, name).toBe(true);
    }
  });
  it('menus and welcomes whose conditions use known context keys', () => {
    const shown = [...Object.values(contributes.menus).flat(), ...contributes.viewsWelcome];
    const conditions = shown.map((item) => item.when);
    const named = new Set(conditions.flatMap((when) => when.match(/quantscope\.\w+/g) ?? []));
    const known = [...Object.values(contextKeys), ...Object.values(views)];
    expect([...named].sort()).toEqual(known.sort());
  });
  it('every command in the palette, except those that only menus and links can call, cancelling while nothing runs, what needs a plan or a model in front, and what there is nothing for', () => {
    expect(contributes.menus.commandPalette).toEqual([
      { command: commands.openPlan, when: 'resourceFilename =~ /\\.ampq\\.json$/i' },
      { command: commands.dryRunRecipe, when: 'resourceFilename =~ /\\.recipe\\.json$/i' },
      { command: commands.cancelJob, when: contextKeys.jobsRunning },
      { command: commands.savePlan, when: 'activeCustomEditorId =~ /^quantscope\\./' },
      { command: commands.refreshModels, when: 'workbenchState != empty' },
      { command: commands.installGpuRuntime, when: `!${contextKeys.gpuRuntimeUnsupported}` },
      { command: commands.removeGpuRuntime, when: `!${contextKeys.gpuRuntimeAbsent}` },
      { command: commands.forgetRemoteTokens, when: `!${contextKeys.remoteAccessAbsent}` },
      { command: commands.revealTensor, when: 'false' },
      { command: commands.pinFormat, when: 'false' },
      { command: commands.excludeFormat, when: 'false' },
      { command: commands.releaseFormat, when: 'false' },
      { command: commands.copyName, when: 'false' },
      { command: commands.fixFinding, when: 'false' },
      { command: commands.explainFinding, when: 'false' },
    ]);
  });
  it('the same commands for files, indexes and folders of models', () => {
    const entries = contributes.menus['explorer/context'].filter(({ command }) => !ofOneFormat.has(command));
    expect(new Set(entries.map(({ when }) => when)).size).toBe(1);
    const [, pattern = ''] = /=~ \/(.*)\/i/.exec(entries[0]!.when) ?? [];
    const names = ['model.safetensors', 'AE.SFT', 'm.GGUF', 'model.safetensors.index.json'];
    const pytorch = ['pytorch_model.bin', 'm.pt', 'M.PTH', 'run.ckpt', 'pytorch_model.bin.index.json'];
    for (const name of [...names, ...pytorch, 'x.safetensors.index.fp16.json'])
      expect(new RegExp(pattern, 'i').test(name), name).toBe(true);
    expect(new RegExp(pattern, 'i').test('config.json')).toBe(false);
    expect(entries[0]!.when).toContain('explorerResourceIsFolder');
  });
  it.each(ofGguf)('%s for GGUF files only', (command) => {
    const entries = contributes.menus['explorer/context'].filter((item) => item.command === command);
    expect(entries.map(({ when }) => when)).toEqual(['resourceFilename =~ /\\.gguf$/i']);
  });
  it.each(ofPlans)('%s for plans only', (command) => {
    const entries = contributes.menus['explorer/context'].filter((item) => item.command === command);
    expect(entries.map(({ when }) => when)).toEqual(['resourceFilename =~ /\\.ampq\\.json$/i']);
  });
  it('the export of adapters for their files only', () => {
    const entries = contributes.menus['explorer/context'].filter(
      ({ command }) => command === commands.exportAdapter,
    );
    const [, pattern = ''] = /=~ \/(.*)\/i/.exec(entries[0]!.when) ?? [];
    const fits = (name: string): boolean => new RegExp(pattern, 'i').test(name);
    expect(['adapter_config.json', 'adapter_model.safetensors', 'adapter_model.bin'].every(fits)).toBe(true);
    expect(['config.json', 'model.safetensors', 'my_adapter_model.bin.txt'].some(fits)).toBe(false);
  });
});
