import type { DeviceChoice, DeviceReport } from '../protocol/device';
import { Emitter } from './emitter';
import { messageOf, shownMessage, type Engine, type Log, type Notices } from './host';

/** The device that measuring would use: one probe for all editors, however many are opened at once. */
export class Devices {
  private readonly emitter = new Emitter<DeviceReport>();
  readonly onChange = this.emitter.event;
  private report: DeviceReport | undefined;
  private probing: Promise<void> | undefined;

  constructor(
    private readonly engine: Engine,
    private readonly log: Log,
    private readonly notices: Notices,
    /** The device of the settings. */
    readonly choice: () => DeviceChoice,
  ) {}

  /** What the last probe found; undefined until one has. */
  get current(): DeviceReport | undefined {
    return this.report;
  }

  /** Probes unless the device is known or a probe is running. Also resolves when no device works: a notice has said so. */
  async find(): Promise<void> {
    if (this.report) return;
    await (this.probing ??= this.probe(false));
  }

  /** Probes again, after any running probe: settings or libraries have changed. */
  async refresh(): Promise<void> {
    await this.probing;
    await (this.probing ??= this.probe(true));
  }

  dispose(): void {
    this.emitter.dispose();
  }

  private async probe(refresh: boolean): Promise<void> {
    try {
      this.report = await this.engine.call('device/probe', { device: this.choice(), refresh });
      this.emitter.fire(this.report);
    } catch (error) {
      this.log.warn(`The device cannot be used: ${messageOf(error)}`);
      this.notices.warn(shownMessage(error));
    } finally {
      this.probing = undefined;
    }
  }
}
