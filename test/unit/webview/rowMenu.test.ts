import { expect, it } from 'vitest';
import { menuContext } from '../../../webview/rowMenu';

it('passes the model, its tensors and the names in the row to the commands of a menu', () => {
  expect(JSON.parse(menuContext('group', '/m', ['a', 'b']))).toEqual({
    webviewSection: 'group',
    preventDefaultContextMenuItems: true,
    quantscopeModel: '/m',
    quantscopeTensors: ['a', 'b'],
  });
  expect(JSON.parse(menuContext('tensor', '/m', ['a.weight'], ['blk.0.weight']))).toMatchObject({
    quantscopeTensors: ['a.weight'],
    quantscopeNames: ['blk.0.weight'],
  });
});
