-- SPDX-License-Identifier: BSD-2-Clause
-- Runs rules through Prosody's own mod_firewall: its compiler, its handlers, its stanzas; only the
-- module around it is a stand-in. lua5.4 modfirewall.lua PROSODY SCRIPT STANZA [SENDERS [SECONDS]]: prints
-- the processor time of the filter alone for one message, in nanoseconds; the median of five. Of several
-- senders each message is from the next.
local root, script, stanza_file = arg[1], arg[2], arg[3]
local senders, seconds = tonumber(arg[4] or "1"), tonumber(arg[5] or "0.2")
package.path = root .. "/?.lua;" .. package.path
package.cpath = root .. "/?.so;" .. package.cpath

local function read(name)
	local f = assert(io.open(name, "rb"))
	local text = f:read("a")
	f:close()
	return text
end

local handlers = {}
prosody = { hosts = { ["montague.example"] = { sessions = {} } }, full_sessions = {},
	bare_sessions = {}, paths = { config = "." }, platform = "posix" }
hosts = prosody.hosts
-- What the filter names but these rules never ask.
for _, name in ipairs { "core.usermanager", "core.modulemanager", "core.rostermanager", "util.timer",
	"net.http", "net.server" } do
	package.preload[name] = function() return {} end
end
local module_dir = root .. "/modules/mod_firewall/"
module = { name = "firewall", host = "montague.example", path = module_dir .. "mod_firewall.lua" }
function module:shared() return {} end
function module:get_option(_, default) return default end
module.get_option_boolean, module.get_option_set = module.get_option, module.get_option
module.get_option_number, module.get_option_string = module.get_option, module.get_option
function module:log(level, ...)
	if level == "error" or level == "warn" then io.stderr:write(string.format(...), "\n") end
end
function module:hook(event, handler) handlers[event] = handler end
function module:hook_global() end
function module:fire_event() end
function module:require(lib)
	return assert(load(read(module_dir .. lib .. ".lib.lua"), "=" .. lib, "t", _G))()
end
unpack = unpack or table.unpack

local api = assert(load(read(module.path) .. [[

return { compile = compile_firewall_rules, handler = compile_handler, chains = chains }]],
	"=mod_firewall", "t", _G))()

-- One stanza, as Prosody's parser gives it.
local stanza
local stream = require "util.xmppstream".new({ notopen = true }, {
	default_ns = "jabber:client",
	streamopened = function(session) session.notopen = nil end,
	streamclosed = function() end,
	error = function(_, name) error(name) end,
	handlestanza = function(_, s) stanza = s end,
})
assert(stream:feed("<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:client'>"))
assert(stream:feed(read(stanza_file)))
assert(stanza, "no stanza")
stanza.attr.from = "romeo@montague.example/orchard" -- Prosody has stamped it by then

local run = {}
for chain, code in pairs(assert(api.compile(script))) do
	run[#run + 1] = assert(api.handler(code, script .. "::" .. chain))()
end
assert(#run == 1, "one chain, please")
local handler, event = run[1], { stanza = stanza, origin = { full_jid = stanza.attr.from,
	username = "romeo", host = "montague.example", type = "c2s" } }
assert(handler(event) == nil, "the stanza must pass")

local froms = {}
for i = 1, senders do froms[i] = ("romeo%d@montague.example/orchard"):format(i) end

local runs, turn = {}, 1
for i = 1, 5 do
	local n, began, now = 0, os.clock(), nil
	repeat
		for _ = 1, 10 do
			if senders > 1 then
				stanza.attr.from, turn = froms[turn], turn % senders + 1
			end
			handler(event)
		end
		n, now = n + 10, os.clock()
	until now - began > seconds
	runs[i] = (now - began) / n * 1e9
end
table.sort(runs)
print(string.format("%.0f", runs[3]))
