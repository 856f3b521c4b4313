/*
 * Addresses and prefixes in the one shape of struct address. The shim uses these functions too. They are pure, and
 * may be called in signal handlers and between vfork and exec.
 */
#ifndef TRUEFIN_ADDRESS_H
#define TRUEFIN_ADDRESS_H

#include "policy.h"
#include "text.h"

enum { ADDRESS_BITS = 128, IPV4_BITS = 32, IPV4_AT = ADDRESS_BITS - IPV4_BITS };

/*
 * Reads the longest IPv4 or IPv6 address at the start of TEXT behind which no part of an address follows. An IPv6
 * address may stand in brackets. Returns the number of bytes read, 0 if there is no address. It is the longest
 * because of the colons: in "::1: off" and "fe80::: off" the last colon belongs to the rule.
 */
size_t address_read(struct address *out, const char *text);

/* Is it ::ffff:a.b.c.d? */
bool address_is_ipv4(const struct address *address);

/* The address with all bits after the first LENGTH (0..128) cleared. */
struct address address_cut(const struct address *address, unsigned length);

/* Is it an IPv4 prefix? "::/0" is not, although its bits cover them. */
bool prefix_is_ipv4(const struct prefix *prefix);

bool prefix_has(const struct prefix *prefix, const struct address *address);

/* "10.0.0.0/8", "10.0.0.1", "2001:db8::/32" (RFC 5952), "[::1]": address_read takes them back. */
void text_prefix(struct text *text, const struct prefix *prefix);

#endif
