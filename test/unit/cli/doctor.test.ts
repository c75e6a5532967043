import { readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { DoctorResult } from '../../../src/protocol/doctor';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { buildPrograms, runProgram } from '../../support/programs';
import { copyOfSample, editJson } from '../doctor/support';

const cache = temporaryFolder();
let cli: string;

beforeAll(async () => {
  cli = (await buildPrograms()).cli;
});

const doctor = (...args: string[]) => runProgram(cli, ['doctor', ...args], { cache });

describe('quantscope doctor', () => {
  it('says that nothing is wrong with a healthy model', async () => {
    const { code, stdout } = await doctor(sampleFolder);
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/^[\d.]+ MB of weights read in .*: nothing wrong was found\.$/m),
    ]);
  });

  it('lists what it finds, fixes what can be, and fails as long as there is a fault', async () => {
    const folder = copyOfSample();
    editJson(folder, 'generation_config.json', (json) => (json['eos_token_id'] = 5));
    const found = await doctor(folder, '--quick');
    expect([found.code, found.stderr]).toEqual([1, expect.stringContaining(`1 fault (${folder}).`)]);
    expect(found.stdout).toMatch(
      /^warning +special-tokens\/disagree +generation_config\.json:\d+:\d+ .* becomes \d+/m,
    );
    expect(found.stdout).toContain('Note: Weights were not read.');
    const fixed = await doctor(folder, '--only', 'special-tokens/disagree', '--fix');
    expect([fixed.code, fixed.stdout]).toEqual([
      0,
      expect.stringMatching(/^Written: .*generation_config\.json$/m),
    ]);
    expect(readFileSync(join(folder, 'generation_config.json'), 'utf8')).not.toContain('"eos_token_id": 5');
    expect((await doctor(folder)).code).toBe(0);
  });

  it('prints findings for editors as compilers do', async () => {
    const folder = copyOfSample();
    editJson(folder, 'generation_config.json', (json) => (json['eos_token_id'] = 5));
    const { code, stdout } = await doctor(folder, '--quick', '--problems');
    const file = join(folder, 'generation_config.json');
    expect([code, stdout.split('\n').slice(1)]).toEqual([1, ['']]);
    expect(stdout.replace(file, 'FILE')).toMatch(/^FILE:\d+:\d+: warning: .* \[special-tokens\/disagree\]$/m);
  });

  it('examines what cannot be opened, as JSON too', async () => {
    const folder = copyOfSample();
    const file = join(folder, 'model.safetensors');
    truncateSync(file, 900);
    const { code, stdout } = await doctor(file, '--json');
    const { findings, notes } = JSON.parse(stdout) as DoctorResult;
    expect([code, findings.map((finding) => [finding.code, finding.file])]).toEqual([
      1,
      [['file/header-cut', file]],
    ]);
    expect(notes).toEqual(['The model cannot be opened, so only this was checked.']);
  });

  it('refuses codes that there are not', async () => {
    const { code, stderr } = await doctor(sampleFolder, '--only', 'values/none');
    expect([code === 0, stderr]).toEqual([false, expect.stringContaining('There is no code "values/none"')]);
  });
});
