import { describe, expect, it } from 'vitest';
import type { DeviceReport } from '../../../src/protocol/device';
import { Devices } from '../../../src/vscode/devices';
import { FakeEngine, FakeLog, FakeNotices, settle } from '../../support/fakeHost';

const report = (label: string): DeviceReport => ({ chosen: 'cpu', label, refused: [] });

function setUp() {
  const [engine, log, notices] = [new FakeEngine(), new FakeLog(), new FakeNotices()];
  const devices = new Devices(engine, log, notices, () => 'webgpu');
  const heard: string[] = [];
  devices.onChange(({ label }) => heard.push(label));
  return { engine, log, notices, devices, heard };
}

describe('the device', () => {
  it('is probed once for all who ask in the meantime, and known from then on', async () => {
    const { engine, devices, heard } = setUp();
    const asked = [devices.find(), devices.find()];
    expect([devices.current, engine.of('device/probe').length]).toEqual([undefined, 1]);
    expect(engine.last('device/probe').params).toEqual({ device: 'webgpu', refresh: false });
    await engine.last('device/probe').answer(report('one'));
    await Promise.all(asked);
    await devices.find();
    expect([devices.current, heard]).toEqual([report('one'), ['one']]);
    expect(engine.of('device/probe')).toHaveLength(1);
  });

  it('that does not work is reported, and probed again for the next caller', async () => {
    const { engine, log, notices, devices, heard } = setUp();
    const asked = devices.find();
    await engine.last('device/probe').fail('REQUEST', 'no adapter');
    await asked;
    expect([log.lines, notices.shown]).toEqual([['The device cannot be used: no adapter'], ['no adapter']]);
    const again = devices.find();
    await engine.last('device/probe').answer(report('one'));
    await again;
    expect(heard).toEqual(['one']);
  });

  it('is probed again on request, after a probe that runs; the known one counts until then', async () => {
    const { engine, devices, heard } = setUp();
    const [first, second, third] = [devices.find(), devices.refresh(), devices.refresh()];
    await settle();
    expect(engine.of('device/probe')).toHaveLength(1);
    await engine.last('device/probe').answer(report('one'));
    await first;
    expect(devices.current).toEqual(report('one'));
    await engine.last('device/probe').answer(report('two'));
    await Promise.all([second, third]);
    expect(engine.of('device/probe').map(({ params }) => params['refresh'])).toEqual([false, true]);
    expect([devices.current, heard]).toEqual([report('two'), ['one', 'two']]);
  });

  it('does not change once it is disposed', async () => {
    const { engine, devices, heard } = setUp();
    const asked = devices.find();
    devices.dispose();
    await engine.last('device/probe').answer(report('one'));
    await asked;
    expect(heard).toEqual([]);
  });
});
