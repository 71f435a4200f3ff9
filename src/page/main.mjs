// The start: who is it? Then either the form to sign in, or the chat.
import { Session } from './session.mjs';
import { Tabs } from './tabs.mjs';
import { SignInView } from './view/sign-in.mjs';
import { View } from './view/view.mjs';
import * as api from './wire/api.mjs';
import { delayBefore } from './model/backoff.mjs';

let session = null;

const view = new View({ onSignOut: signOut });
const signIn = new SignInView(api, signedIn);
const tabs = new Tabs(otherTab);

await begin();

/** Until the server says who it is: without that there is nothing to show. */
async function begin() {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const me = await api.me();
      if (session) return;
      if (me) enter(me);
      else signIn.show();
      return;
    } catch (why) {
      signIn.show(`${why.message} You can sign in as soon as that is over.`);
      await new Promise((resolve) => setTimeout(resolve, delayBefore(attempt)));
      if (session) return;
    }
  }
}

function enter(me, notice) {
  session?.end();
  signIn.hide();
  session = new Session(me, { signedOut: (why) => leave(why), otherUser: (other) => enterAnew(other) });
  view.show(session, notice);
  session.start();
}

/** Another tab has signed in as somebody else: this one has the same cookie. */
function enterAnew(me) {
  view.hide();
  enter(me, `You are now signed in as ${me.username}.`);
}

function leave(why, options) {
  if (!session) return;
  session.end(options);
  session = null;
  view.hide();
  signIn.show(why);
}

function signedIn(me, isNew) {
  tabs.tell();
  enter(me, isNew ? `Welcome, ${me.username}. You are registered now.` : '');
}

async function signOut() {
  try {
    await api.logout();
  } catch (why) {
    // 403: signed out already, which is what was wanted.
    if (!why.isSignedOut) return view.problem(`You could not be signed out. ${why.message}`);
  }
  leave('You have signed out.', { forget: true });
  tabs.tell();
}

async function otherTab() {
  if (session) return session.recheck();
  try {
    const me = await api.me();
    if (me && !session) enter(me);
  } catch {
    // Whoever wants in signs in.
  }
}
