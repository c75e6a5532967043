import { probeDevices, runProbe } from '../../src/graph/probe';
import type { DeviceChoice } from '../../src/protocol/device';
import { checkDevice } from './suite';

/**
 * Checks a device and prints each check as a line of JSON, the device's name first. Arguments: the device ("auto" lets the probe
 * choose), and a pattern of the checks' names.
 */
async function check(choice: DeviceChoice, pattern: string): Promise<void> {
  const report = await probeDevices(choice, { refresh: true, childEntry: process.argv[1]! });
  console.log(JSON.stringify(report));
  if (report.chosen === 'cpu') return;
  await checkDevice(report.chosen, new RegExp(pattern), (found) => console.log(JSON.stringify(found)));
}

const [first = 'auto', second = ''] = process.argv.slice(2);
if (first === '--probe') await runProbe(second);
else await check(first as DeviceChoice, second);
process.exit(0);
