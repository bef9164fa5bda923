// SPDX-License-Identifier: BSD-2-Clause
// xmpp.js as a user: logs in as often as told, one after the other, and says on standard output what went over the wire.
//   login.mjs MODULES '{"service":"xmpp://…","domain":…,"username":…,"password":…,"logins":2,"resume":false}'
// A token of FAST (XEP-0484) that one login gets serves the next; "resume" cuts the connection instead of closing it.
import { pathToFileURL } from "node:url";

const [modules, text] = process.argv.slice(2);
const order = JSON.parse(text);
const { client, xml } = await import(pathToFileURL(`${modules}/@xmpp/client/index.js`));

const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");
const until = (emitter, name, seconds = 15) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${name} in ${seconds} s`)), seconds * 1000);
    emitter.once(name, (value) => {
      clearTimeout(timer);
      resolve(value);
    });
  });

const user = client({
  service: order.service,
  domain: order.domain,
  resource: order.resource,
  username: order.username,
  password: order.password,
});
user.reconnect.stop();
user.on("element", (e) => say({ in: e.toString() }));
user.on("send", (e) => say({ out: e.toString() }));
user.on("error", (e) => say({ error: String(e.condition ?? e) }));
user.streamManagement.on("resumed", () => say({ resumed: true }));

// A message to oneself: what comes of it is the message, or the text of the error it met.
async function echo(body) {
  const back = new Promise((resolve) => {
    const hear = (e) => {
      if (!e.is("message") || e.getChildText("body") !== body) {
        if (!e.is("message") || e.attrs.type !== "error") return;
      }
      user.off("stanza", hear);
      resolve(e.getChild("error")?.getChildText("text") ?? body);
    };
    user.on("stanza", hear);
  });
  await user.send(xml("message", { to: user.jid.toString(), type: "chat" }, xml("body", {}, body)));
  return back;
}

try {
  for (let n = 0; n < (order.logins ?? 1); n++) {
    if (n > 0 && order.spoil) await user.fast.saveToken({ ...(await user.fast.fetchToken()), token: "spoiled" });
    if (n > 0 && order.resume) {
      const resumed = until(user.streamManagement, "resumed");
      await user.connect(order.service);
      await user.open({ domain: order.domain });
      await resumed;
    } else {
      await user.start();
    }
    say({ online: user.jid.toString(), login: n });
    if (!order.quiet) {
      await user.send(xml("presence"));
      await echo(`echo ${n}`);
      for (const body of order.probes ?? []) say({ probe: body, answer: await echo(body), login: n });
    }
    if (order.resume && n + 1 < order.logins) {
      const gone = until(user, "disconnect");
      user.socket.socket?.destroy?.();
      await gone;
    } else {
      await user.stop();
    }
  }
  say({ done: true });
  process.exit(0);
} catch (error) {
  say({ failed: String(error.condition ?? error) });
  process.exit(1);
}
