/* SPDX-License-Identifier: BSD-2-Clause */
/* For the tests: the table of the firewall without its daemon, in the network namespace of the
 * caller. firewall_load [-o] [-m] [-l] [-b] [-q QUEUES] [-a ADDRESS]... PORT... loads it for one
 * service of mode inspect (-o fails open, -m takes connections up in the middle, -l is serverless,
 * -b has bridges hand over); with -p it prints the iptables script instead, with -u it takes the
 * table away. Says how this kernel queues. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "ctl/nft_bridges.h"
#include "ctl/firewall.h"
#include "ctl/nft.h"

static struct service service = {
	.name = "component", .role = ROLE_COMPONENT, .mode = MODE_INSPECT
};
static struct daemon_options options = {
	.mark = 0x584d0000, .route_table = 22530, .inspect = { .queues = 1, .queue = 5298 }
};
static bool script, unload;

static void take_option(int option)
{
	switch (option) {
	case 'o':
		service.fail_open = true;
		break;
	case 'm':
		options.inspect.midstream = true;
		break;
	case 'l':
		service.role = ROLE_SERVERLESS;
		break;
	case 'q':
		options.inspect.queues = (unsigned)atoi(optarg);
		break;
	case 'a':
		if (service.n_addresses < SERVICE_ADDRESSES_MAX)
			service.addresses[service.n_addresses++] = optarg;
		break;
	case 'b':
		options.inspect.bridge = true;
		break;
	case 'p':
		script = true;
		break;
	case 'u':
		unload = true;
		break;
	default:
		exit(2);
	}
}

static int load(struct nft *nft, const struct firewall_host *host, struct buf *text)
{
	char *error = NULL;
	int r = firewall_format(&service, 1, &options, host, text);

	if (r == 0 && (r = nft_load(nft, buf_string(text), &error)) < 0)
		fprintf(stderr, "%s\n", error);
	if (r == 0 && host->form == FIREWALL_QUEUE_TARGET)
		r = nft_target_fill(nft, options.inspect.queue, options.inspect.queues);
	if (r == 0 && options.inspect.bridge)
		r = bridges_on(nft);
	free(error);
	return r;
}

int main(int argc, char **argv)
{
	static const char *const forms[] = { "native", "target", "none" };
	struct firewall_host host = { .cores = 1 };
	struct nft *nft;
	struct buf text;
	int r, option;

	while ((option = getopt(argc, argv, "omlbq:a:pu")) != -1)
		take_option(option);
	for (; optind < argc && service.n_ports < SERVICE_PORTS_MAX; optind++)
		service.ports[service.n_ports++] = (uint16_t)atoi(argv[optind]);
	buf_init(&text, 0);
	if (script) {
		r = firewall_format_iptables(&service, 1, &options, &host, &text);
		if (r == 0)
			fputs(buf_string(&text), stdout);
		buf_fini(&text);
		return r < 0;
	}
	if ((r = nft_open(&nft)) < 0) {
		fprintf(stderr, "no nf_tables: %d\n", r);
		return 1;
	}
	host.form = nft_queue_form(nft);
	if (unload)
		bridges_off(nft);
	r = unload ? nft_unload(nft, NULL) : load(nft, &host, &text);
	if (r == 0 && !unload)
		puts(forms[host.form]);
	nft_close(nft);
	buf_fini(&text);
	return r < 0;
}
