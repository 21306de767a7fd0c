// The server: what its readiness consists of, and how many updates are in which state.
import type {JSX} from 'preact';
import {number, words} from './format';
import {useGet} from './live';
import type {Summary} from './types';
import {Card, Failure, Loading, Time} from './ui';

export function HealthView(): JSX.Element {
  const {data, error} = useGet<Summary>('/summary');
  const {data: alive} = useGet<{version: string}>('/healthz');
  if (!data) return error ? <Failure error={error} /> : <Loading what="the server’s state" />;
  return (
    <>
      <h1>Server{alive && <span class="hint"> otad {alive.version}</span>}</h1>
      <Card title={data.health.status === 'ready' ? 'Ready' : 'Not ready'}>
        <ul class="checks">
          {Object.entries(data.health.checks).map(([name, check]) =>
            <li key={name}><span class={check.warning ? 'warning' : check.ok ? 'good' : 'bad'}>{check.warning ? '▲' : check.ok ? '✓' : '✗'} {name}</span>: {check.detail}</li>)}
        </ul>
      </Card>
      <Card title="Backup">
        <p>{data.last_backup_at ? <>The last one was made <Time at={data.last_backup_at} />.</> : 'None was made yet.'}</p>
        <p class="hint">On the server, with otad running: <code>otad backup FILE</code> writes one archive with database, keys, settings and images.</p>
      </Card>
      <Card title="Updates">
        <dl class="figures">{Object.entries(data.tasks).map(([state, count]) => <div key={state}><dt>{words(state)}</dt><dd>{number(count)}</dd></div>)}</dl>
      </Card>
    </>
  );
}
