// Parts that all views share.
import type {ComponentChildren, JSX} from 'preact';
import {createContext} from 'preact';
import {useContext, useEffect, useId, useLayoutEffect, useRef, useState} from 'preact/hooks';
import {Problem} from './api';
import {exact, relative} from './format';
import {tick, useNow} from './live';
import type {Me, Role} from './types';

export const Session = createContext<Me>({name: '', role: 'viewer', auth_required: true, scope: []});

const RANK: Record<Role, number> = {viewer: 0, operator: 1, admin: 2};

export function useMay(role: Role): boolean {
  return RANK[useContext(Session).role] >= RANK[role];
}

/// Shows what the key may do; where it may not, says so once.
export function Allowed({role, what, children}: {role: Role; what: string; children: ComponentChildren}): JSX.Element {
  if (useMay(role)) return <>{children}</>;
  return <p class="hint">To {what}, a key with the role {role} is needed.</p>;
}

export function Time({at, never = 'never'}: {at: string | null | undefined; never?: string}): JSX.Element {
  const now = useNow();
  if (!at) return <span>{never}</span>;
  return <time dateTime={at} title={exact(at)}>{relative(at, now)}</time>;
}

export function Failure({error}: {error: Problem | undefined}): JSX.Element | null {
  if (!error) return null;
  return <p class="error" role="alert"><b>✗</b> {error.text}</p>;
}

export function Loading({what}: {what: string}): JSX.Element {
  return <p class="hint" role="status">Reading {what} …</p>;
}

export function Card({title, children, class: name = '', aside}: {
  title: string; children: ComponentChildren; class?: string; aside?: ComponentChildren;
}): JSX.Element {
  const id = useId();
  return (
    <section class={`card ${name}`} aria-labelledby={id}>
      <header><h2 id={id}>{title}</h2>{aside}</header>
      {children}
    </section>
  );
}

const SYMBOLS: Record<string, string> = {
  running: '▶', paused: '❚❚', halted: '■', completed: '✓', cancelled: '–', expired: '–', superseded: '–',
  scheduled: '◷', waiting_approval: '?', succeeded: '✓', failed: '✗', queued: '…', offered: '→', downloading: '↓',
  retry_wait: '↻', staged: '❚', installing: '⟳',
};

/// A state as a word with its symbol.
export function State({state}: {state: string}): JSX.Element {
  return <span class={`state ${state}`}><span aria-hidden="true">{SYMBOLS[state] ?? '•'}</span> {state.replaceAll('_', ' ')}</span>;
}

/// What the server says only once.
export function Secret({what, text, hide}: {what: string; text: string; hide: () => void}): JSX.Element {
  return <p class="secret" role="status">{what}, shown this once: <code>{text}</code> <button type="button" onClick={hide}>Hide</button></p>;
}

/// Rows of a wide table scroll sideways in themselves, also by keyboard. On a phone each row is a block, each of its
/// cells a line with the column's name (style.css).
export function Table({caption, head, children}: {caption: string; head: string[]; children: ComponentChildren}): JSX.Element {
  const body = useRef<HTMLTableSectionElement>(null);
  useLayoutEffect(() => {
    for (const row of body.current?.rows ?? [])
      for (const [index, cell] of [...row.cells].entries()) cell.dataset['name'] = head[index] ?? '';
  });
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label={caption}>
      <table>
        <caption class="unseen">{caption}</caption>
        <thead><tr>{head.map((name) => <th scope="col" key={name}>{name}</th>)}</tr></thead>
        <tbody ref={body}>{children}</tbody>
      </table>
    </div>
  );
}

/// A button that runs `act`, is disabled meanwhile, and shows the refusal beside itself. With `ask` it asks first.
export function Action({label, act, ask, danger = false, primary = false}: {
  label: string; act: () => Promise<unknown>; ask?: {title: string; text: ComponentChildren; yes: string};
  danger?: boolean; primary?: boolean;
}): JSX.Element {
  const [busy, set_busy] = useState(false);
  const [error, set_error] = useState<Problem>();
  const [asking, set_asking] = useState(false);
  const run = async (): Promise<void> => {
    set_busy(true);
    set_error(undefined);
    try {
      await act();
      set_asking(false);
      tick();
    } catch (failed) {
      set_error(failed instanceof Problem ? failed : new Problem(-1, 'page', String(failed)));
    }
    set_busy(false);
  };
  const name = danger ? 'danger' : primary ? 'primary' : '';
  return (
    <>
      <button type="button" class={name} disabled={busy} onClick={() => ask ? set_asking(true) : void run()}>{label}</button>
      {ask && asking && (
        <Dialog title={ask.title} close={() => set_asking(false)}>
          <div>{ask.text}</div>
          <Failure error={error} />
          <div class="buttons">
            <button type="button" class={name || 'primary'} disabled={busy} onClick={() => void run()}>{ask.yes}</button>
            <button type="button" onClick={() => set_asking(false)}>Keep as it is</button>
          </div>
        </Dialog>
      )}
      {!ask && <Failure error={error} />}
    </>
  );
}

export function Dialog({title, close, children}: {
  title: string; close: () => void; children: ComponentChildren;
}): JSX.Element {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    return () => dialog?.close();  // the focus goes back to where it was
  }, []);
  // The browser sends `close` with a later frame: by then this dialog may be gone, and the next one open.
  const closed = (): void => { if (element.current?.open === false) close(); };
  return (
    <dialog ref={element} aria-labelledby={id} onClose={closed} onCancel={close}>
      <h2 id={id}>{title}</h2>
      {children}
    </dialog>
  );
}
