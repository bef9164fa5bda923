-- In the global part of prosody.cfg.lua, before the first VirtualHost: what the firewall vouches for
-- is trusted like the authorities that this host knows. A host's own s2s_ssl would count instead.
s2s_ssl = { cafile = "/etc/prosody/xmppwall-authority.pem" }
