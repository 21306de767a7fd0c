// Who did what: for admins.
import type {JSX} from 'preact';
import {download, query_text} from './api';
import {List} from './list';
import {replace, type Route} from './route';
import type {AuditEntry} from './types';
import {Action, Allowed, Card, Time} from './ui';

export function Audit({query}: Route): JSX.Element {
  const actor = query.get('actor') ?? '';
  const since = query.get('since') ?? '';
  const from = since ? new Date(since).toISOString() : '';
  const wanted = {actor, since: from};
  return (
    <>
      <h1>Audit</h1>
      <Allowed role="admin" what="read the audit log">
        <Card title="Newest first" aside={<Action label="Export (CSV)" act={() => download(`/audit${query_text({...wanted, limit: 1000})}`, 'text/csv', 'audit.csv')} />}>
          <form class="search">
            <label>By <input value={actor} placeholder="all" onChange={(event) => replace(['audit'], {actor: event.currentTarget.value.trim(), since})} /></label>
            <label>Since <input type="date" value={since} onChange={(event) => replace(['audit'], {actor, since: event.currentTarget.value})} /></label>
          </form>
          <List<AuditEntry> path="/audit" query={wanted} caption="audit log" empty="Nothing matches." head={['When', 'Who', 'What', 'To what', 'Outcome', 'From']} row={(entry) => (
            <tr key={entry.id}>
              <td><Time at={entry.at} /></td><td>{entry.actor}</td><td>{entry.action}</td><td>{entry.target}</td><td>{entry.outcome}</td><td>{entry.from}</td>
            </tr>
          )} />
        </Card>
      </Allowed>
    </>
  );
}
