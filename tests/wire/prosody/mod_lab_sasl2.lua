-- SPDX-License-Identifier: BSD-2-Clause
-- Debian 12's prosody-modules has SASL2 for a Prosody that is newer than Debian's: this gives its modules the few functions
-- they miss there. What goes over the wire is theirs.
local filters = require "util.filters";
local smacks = module:depends("smacks");

local datetime = require "util.datetime";
if not datetime.lab_format then -- one for all hosts; 0.12 wants whole seconds
	datetime.lab_format = datetime.datetime;
	datetime.datetime = function (t) return datetime.lab_format(t and math.floor(t)); end
end

local stanza_mt = require "util.stanza".stanza_mt;
stanza_mt.get_child_attr = stanza_mt.get_child_attr or function (self, name, xmlns, attr)
	local child = self:get_child(name, xmlns);
	return child and child.attr[attr];
end;

local xmlns_sm = "urn:xmpp:sm:3";

-- net.server's connections of 0.13 know about their TLS; those of 0.12 know their socket. Before mod_sasl2's own hook.
module:hook("stream-features", function (event)
	local origin, conn = event.origin, event.origin.conn;
	-- The "from" of the header that follows STARTTLS: FAST looks there for whom it is.
	function origin:stream_attrs(_, from)
		self.lab_from = from;
	end
	event.stream = event.stream or { from = origin.lab_from };
	if not conn or conn.ssl_info then return; end
	function conn:ssl_info()
		local socket = self:socket();
		return socket.info and socket:info();
	end
	function conn:ssl_peerfinished()
		local socket = self:socket();
		return socket.getpeerfinished and socket:getpeerfinished();
	end
end, 1000);

-- 0.12 offers to bind what bind2 has bound. Behind mod_saslauth's hook.
module:hook("stream-features", function (event)
	if not event.origin.full_jid then return; end
	event.features:maptags(function (tag)
		return tag.attr.xmlns ~= "urn:ietf:params:xml:ns:xmpp-bind" and tag or nil;
	end);
end, -1000);

-- What mod_smacks says while it works, instead of sending it.
local function overhear(session, work)
	local said = {};
	local function keep(stanza)
		said[#said + 1] = stanza;
	end
	filters.add_filter(session, "stanzas/out", keep, 1000);
	work();
	filters.remove_filter(session, "stanzas/out", keep);
	return said;
end

local function refused(failed)
	return nil, { type = "cancel", condition = "item-not-found", context = { h = tonumber(failed and failed.attr.h) } };
end

function smacks.do_enable(session, stanza)
	local said = overhear(session, function () smacks.handle_enable(session, stanza, xmlns_sm); end);
	if not said[1] or said[1].name ~= "enabled" then return refused(said[1]); end
	return { type = "enabled", id = said[1].attr.id, resume_max = said[1].attr.max, finish = function () end };
end

function smacks.do_resume(session, stanza)
	local original;
	for _, bound in pairs(prosody.full_sessions) do
		if bound.resumption_token and bound.resumption_token == stanza.attr.previd then original = bound; end
	end
	local said = overhear(session, function () smacks.handle_resume(session, stanza, xmlns_sm); end);
	if not said[1] or said[1].name ~= "resumed" then return refused(said[1]); end
	return { type = "resumed", id = said[1].attr.previd, session = original, finish = function ()
		for n = 2, #said do
			original.rawsend(tostring(said[n]));
		end
	end };
end
