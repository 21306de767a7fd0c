// Which view an address means.
import type {JSX} from 'preact';
import {Audit} from './audit';
import {ChannelView} from './channel';
import {Channels} from './channels';
import {DeviceView} from './device';
import {Devices} from './devices';
import {Events} from './events_view';
import {Failures} from './failures_view';
import {FirmwareView} from './firmware';
import {HealthView} from './health';
import {Keys} from './keys';
import {RolloutView} from './rollout';
import {NewRollout} from './rollout_new';
import {Rollouts} from './rollouts';
import type {Route} from './route';
import {Settings} from './settings';
import {TaskPage} from './task';
import type {Role} from './types';
import {Webhooks} from './webhooks';

export const NAVIGATION: {path: string; name: string; role?: Role}[] = [
  {path: '', name: 'Overview'},
  {path: 'rollouts', name: 'Rollouts'},
  {path: 'devices', name: 'Devices'},
  {path: 'channels', name: 'Channels'},
  {path: 'firmware', name: 'Firmware'},
  {path: 'failures', name: 'Failures'},
  {path: 'events', name: 'Events'},
  {path: 'audit', name: 'Audit', role: 'admin'},
  {path: 'webhooks', name: 'Webhooks', role: 'admin'},
  {path: 'keys', name: 'Keys', role: 'admin'},
  {path: 'settings', name: 'Settings', role: 'admin'},
  {path: 'health', name: 'Server'},
];

export function View({route}: {route: Route}): JSX.Element {
  const [view, id] = route.path;
  switch (view) {
    case 'rollouts':
      if (id === 'new') return <NewRollout key="new" {...route} />;
      return id ? <RolloutView key={id} {...route} /> : <Rollouts {...route} />;
    case 'devices': return id ? <DeviceView key={id} {...route} /> : <Devices {...route} />;
    case 'channels': return id ? <ChannelView key={id} {...route} /> : <Channels />;
    case 'tasks': return <TaskPage key={id} {...route} />;
    case 'firmware': return <FirmwareView />;
    case 'failures': return <Failures {...route} />;
    case 'events': return <Events {...route} />;
    case 'webhooks': return <Webhooks />;
    case 'keys': return <Keys />;
    case 'settings': return <Settings {...route} />;
    case 'audit': return <Audit {...route} />;
    case 'health': return <HealthView />;
    default: return <p>There is no view {route.path.join('/')}. <a href="#/">Overview</a></p>;
  }
}
