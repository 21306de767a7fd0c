// The page: who is here, where in it, and the frame around the views.
import {render, type JSX} from 'preact';
import {useEffect, useRef, useState} from 'preact/hooks';
import {get, key, Problem} from './api';
import {span} from './format';
import {connection, key_refused, POLL_MS, start_live, useConnection, useNow} from './live';
import {Overview} from './overview';
import {useRoute} from './route';
import type {Me} from './types';
import {Failure, Loading, Session} from './ui';
import {NAVIGATION, View} from './views';

function App(): JSX.Element {
  const [me, set_me] = useState<Me>();
  const [error, set_error] = useState<Problem>();
  const enter = async (): Promise<void> => {
    try {
      set_me(await get<Me>('/me'));
      set_error(undefined);
    } catch (refused) {
      set_error(refused instanceof Problem ? refused : new Problem(-1, 'page', String(refused)));
    }
  };
  useEffect(() => {
    key_refused.tell = (problem) => {
      set_me(undefined);
      set_error(problem);
    };
    void enter();
  }, []);
  useEffect(() => {
    // The server may be away just now: try on.
    if (me || !error || error.status === 401) return undefined;
    const timer = setTimeout(() => void enter(), 3000);
    return () => clearTimeout(timer);
  }, [error, me]);
  const leave = (): void => {
    key.clear();
    set_me(undefined);
    set_error(new Problem(401, 'unauthenticated', ''));
  };
  if (me) return <Session.Provider value={me}><Frame me={me} leave={leave} /></Session.Provider>;
  if (!error) return <Loading what="the server" />;
  if (error.status === 401) return <KeyEntry error={error} enter={enter} />;
  return <main><Failure error={error} /></main>;
}

function KeyEntry({error, enter}: {error: Problem; enter: () => Promise<void>}): JSX.Element {
  const [text, set_text] = useState('');
  const submit = (event: Event): void => {
    event.preventDefault();
    key.set(text.trim());
    void enter();
  };
  return (
    <main class="entry">
      <h1>otad</h1>
      <form class="card" onSubmit={submit}>
        <label for="key">API key</label>
        <input id="key" type="password" autocomplete="current-password" required value={text}
          onInput={(event) => set_text(event.currentTarget.value)} />
        {key.get() !== '' && <Failure error={error} />}
        <button type="submit" class="primary">Open</button>
        <p class="hint">It is kept until this tab is closed. To make one: <code>otad keys add --name NAME --role viewer|operator|admin</code></p>
      </form>
    </main>
  );
}

function Frame({me, leave}: {me: Me; leave: () => void}): JSX.Element {
  const route = useRoute();
  useEffect(start_live, []);
  const here = route.path[0] ?? '';
  const place = route.path.join('/');
  const known = useRef(place);
  useEffect(() => {
    const name = NAVIGATION.find(({path}) => path === here)?.name ?? here;
    document.title = [...route.path.slice(1), name, 'otad'].join(' · ');
    if (known.current === place) return;
    known.current = place;
    // A new view begins at its top, for eyes and for keys.
    scrollTo(0, 0);
    document.getElementById('main')?.focus({preventScroll: true});
  }, [place]);
  useEffect(() => document.querySelector('nav [aria-current]')?.scrollIntoView({block: 'nearest', inline: 'center'}), [here]);
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById('main')?.focus(); }}>Skip to the content</a>
      <header class="top">
        <a class="brand" href="#/">otad</a>
        <nav aria-label="Views">
          {NAVIGATION.filter(({role}) => role !== 'admin' || me.role === 'admin').map(({path, name}) =>
            <a key={path} href={`#/${path}`} aria-current={here === path ? 'page' : undefined}>{name}</a>)}
        </nav>
        <span class="who">
          <Freshness />
          {me.auth_required && <> <span title={`role ${me.role}`}>{me.name}</span> <button type="button" onClick={leave}>Leave</button></>}
        </span>
      </header>
      <main id="main" tabIndex={-1}>
        {here === '' ? <Overview /> : <View route={route} />}
      </main>
    </>
  );
}

function Freshness(): JSX.Element {
  const {reachable, live, polls} = useConnection();
  const now = useNow();
  if (reachable && live) return <span class="fresh" role="status"><span aria-hidden="true">●</span> live</span>;
  if (reachable && polls) return <span class="fresh" role="status" title="a key with a scope may not read events"><span aria-hidden="true">●</span> read every {POLL_MS / 1000} s</span>;
  return <span class="stale" role="status"><span aria-hidden="true">○</span> as of {span(Math.max(0, now - connection.read_at) / 1000)} ago</span>;
}

const place = document.getElementById('page');
if (place) render(<App />, place);
